{{/* Keys of the ConfigMap. Messages must survive a restart and must not be evicted. */}}
{{- define "celeriac.redisConfiguration" -}}
redis.conf: |
  dir /data
  port 6379
  appendonly yes
  appendfsync everysec
  save ""
  maxmemory {{ .Values.redis.maxMemory }}
  maxmemory-policy noeviction
  tcp-keepalive 60
{{- end -}}

{{/* What each role may do in the release's own Redis, by role. */}}
{{- define "celeriac.redisRules" -}}
{{- .Files.Get "files/redis-users.yaml" -}}
{{- end -}}
