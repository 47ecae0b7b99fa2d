{{/*
Every worker pool by name, as YAML, with the defaults in it. Beside the values of a pool it holds:
fullname (of its objects), own (whether it runs Celeriac's own application), images (the first that has
a repository is its image). Its queues are never empty.
*/}}
{{- define "celeriac.pools" -}}
{{- $pools := dict -}}
{{- if .Values.pipelines.enabled -}}
{{- range $name, $pool := .Values.pipelines.pools -}}
{{- if kindIs "map" $pool -}}
{{- $_ := set $pools $name (include "celeriac.pool" (dict "root" $ "name" $name "pool" $pool "own" true "image" dict) | fromYaml) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $pool := include "celeriac.userPools" . | fromYaml -}}
{{- $_ := set $pools $name (include "celeriac.pool" (dict "root" $ "name" $name "pool" $pool "own" (empty $.Values.celery.app) "image" $.Values.workers.image) | fromYaml) -}}
{{- end -}}
{{- toYaml $pools -}}
{{- end -}}

{{/* `workers.pools`, without pools that are null. */}}
{{- define "celeriac.userPools" -}}
{{- $pools := dict -}}
{{- range $name, $pool := .Values.workers.pools }}{{ if kindIs "map" $pool }}{{ $_ := set $pools $name $pool }}{{ end }}{{ end -}}
{{- toYaml $pools -}}
{{- end -}}

{{/* Limits the sizes of a pool and its schedules to `workers.maxReplicas`. Arguments: pool, cap. */}}
{{- define "celeriac.capPool" -}}
{{- $capped := list -}}
{{- range .pool.autoscaling.schedules -}}
{{- $window := deepCopy . -}}
{{- range $key := list "minReplicas" "maxReplicas" -}}
{{- if hasKey $window $key }}{{ $_ := set $window $key (min (int (get $window $key)) (int $.cap)) }}{{ end -}}
{{- end -}}
{{- $capped = append $capped $window -}}
{{- end -}}
{{- $_ := set .pool.autoscaling "schedules" $capped -}}
{{- range $key := list "minReplicas" "maxReplicas" "replicas" -}}
{{- $_ := set $.pool $key (min (int (get $.pool $key)) (int $.cap)) -}}
{{- end -}}
{{- end -}}

{{/* One pool. `autoscaling`, `resources` and `pod` are merged with the defaults key by key, the rest is replaced. */}}
{{- define "celeriac.pool" -}}
{{- $merged := deepCopy .root.Values.workers.defaults -}}
{{- range $key, $value := .pool -}}
{{- if has $key (list "autoscaling" "pod") -}}
{{- range $inner, $setting := $value }}{{ $_ := set (index $merged $key) $inner $setting }}{{ end -}}
{{- else if eq $key "resources" -}}
{{- $_ := set $merged $key (mergeOverwrite (deepCopy $merged.resources) $value) -}}
{{- else -}}
{{- $_ := set $merged $key $value -}}
{{- end -}}
{{- end -}}
{{- with .root.Values.workers.maxReplicas }}{{ include "celeriac.capPool" (dict "pool" $merged "cap" .) }}{{ end -}}
{{- $_ := set $merged "queues" ($merged.queues | default (list .name)) -}}
{{- $_ := set $merged "own" .own -}}
{{- $_ := set $merged "images" (list $merged.image .image) -}}
{{- $_ := set $merged "fullname" (printf "%s-worker-%s" (include "celeriac.fullname" .root) .name) -}}
{{- toYaml $merged -}}
{{- end -}}

{{/* A quoted argument of a container. Kubernetes would replace `$(NAME)` by a variable. */}}
{{- define "celeriac.argument" -}}
{{- . | replace "$(" "$$(" | quote -}}
{{- end -}}

{{/* The worker's command line. Celery enforces time limits for processes, and Celeriac's tasks check theirs in threads. */}}
{{- define "celeriac.workerCommand" -}}
{{- if .pool.command }}
command:
  {{- toYaml .pool.command | nindent 2 }}
{{- with .pool.extraArgs }}
args:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- else }}
{{- if .pool.own }}
command: [celeriac, worker]
args:
  {{- range .pool.queues }}
  - {{ include "celeriac.argument" (printf "--queue=%s" .) }}
  {{- end }}
{{- else }}
command: [celery, --app, {{ .root.Values.celery.app | quote }}, worker]
args:
  - {{ include "celeriac.argument" (printf "--queues=%s" (join "," .pool.queues)) }}
{{- end }}
  - {{ printf "--pool=%s" .pool.pool | quote }}
  - --concurrency={{ .pool.concurrency }}
{{- if eq .pool.pool "prefork" }}
{{- with .pool.softTimeLimitSeconds }}
  - --soft-time-limit={{ . }}
{{- end }}
{{- with .pool.hardTimeLimitSeconds }}
  - --time-limit={{ . }}
{{- end }}
{{- end }}
{{- with .pool.extraArgs }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
Probes of a worker. The file is touched by the running worker: nothing is asked over the broker, so a
busy worker or a broker that is away never counts as dead.
*/}}
{{- define "celeriac.workerProbes" -}}
{{- if .pool.livenessProbe }}
livenessProbe:
  {{- toYaml .pool.livenessProbe | nindent 2 }}
{{- else if .pool.own }}
{{ include "celeriac.startupProbe" (dict "command" (include "celeriac.livenessTest" 60)) }}
livenessProbe:
  exec:
    command: [sh, -c, {{ include "celeriac.livenessTest" 60 | quote }}]
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 3
{{- end }}
{{- end -}}

{{/* A shell command that succeeds while CELERIAC_LIVENESS_FILE is younger than this many seconds. */}}
{{- define "celeriac.livenessTest" -}}
test $(( $(date +%s) - $(stat -c %Y "$CELERIAC_LIVENESS_FILE" 2>/dev/null || echo 0) )) -lt {{ . }}
{{- end -}}
