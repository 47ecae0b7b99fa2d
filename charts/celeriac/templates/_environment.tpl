{{/* The Secret and the key of the broker's URL. */}}
{{- define "celeriac.brokerSecretName" -}}
{{- if .Values.redis.enabled -}}
{{- .Values.redis.existingSecret | default (printf "%s-redis" (include "celeriac.fullname" .)) -}}
{{- else -}}
{{- .Values.broker.existingSecret -}}
{{- end -}}
{{- end -}}
{{- define "celeriac.brokerSecretKey" -}}
{{- ternary "url" .Values.broker.urlKey .Values.redis.enabled -}}
{{- end -}}

{{/* The key of the URL that a component uses: that of its role, if Redis has a user for each. Arguments: root, component. */}}
{{- define "celeriac.brokerKeyOf" -}}
{{- $role := trimPrefix "application-" .component -}}
{{- $hasUsers := and .root.Values.redis.enabled .root.Values.redis.users -}}
{{- if and $hasUsers (hasKey (include "celeriac.redisRules" .root | fromYaml) $role) -}}
url-{{ $role }}
{{- else -}}
{{- include "celeriac.brokerSecretKey" .root -}}
{{- end -}}
{{- end -}}

{{/* Not empty if a component of the release uses a broker. The operator only uses those that WorkerPools name. */}}
{{- define "celeriac.usesBroker" -}}
{{- if or .Values.pipelines.enabled (include "celeriac.userPools" . | fromYaml) .Values.celery.beat .Values.exporter.enabled .Values.flower.enabled }}true{{ end -}}
{{- end -}}

{{/* The Secret with the API's first keys. */}}
{{- define "celeriac.apiSecretName" -}}
{{- .Values.api.existingSecret | default (printf "%s-api" (include "celeriac.fullname" .)) -}}
{{- end -}}

{{- define "celeriac.databaseSecretName" -}}
{{- if .Values.postgresql.enabled -}}
{{- .Values.postgresql.existingSecret | default (printf "%s-postgresql" (include "celeriac.fullname" .)) -}}
{{- else -}}
{{- .Values.database.existingSecret -}}
{{- end -}}
{{- end -}}
{{- define "celeriac.databaseSecretKey" -}}
{{- ternary "url" .Values.database.urlKey .Values.postgresql.enabled -}}
{{- end -}}

{{/*
The secrets of a container that runs Celeriac, as a list of `name` (of the setting), `secret`, `key` and `optional`. They
are files, in a volume of this container's own. `secrets` in the context names those that it needs of `settingsSecret`.
*/}}
{{- define "celeriac.secretFiles" -}}
{{- $files := list -}}
{{- $apiSecret := include "celeriac.apiSecretName" .root -}}
{{- with include "celeriac.brokerSecretName" .root -}}
{{- $key := include "celeriac.brokerKeyOf" (dict "root" $.root "component" $.component) -}}
{{- $files = append $files (dict "name" "CELERY_BROKER_URL" "secret" . "key" $key "optional" false) -}}
{{- with $.root.Values.broker.sentinel.passwordKey -}}
{{- $files = append $files (dict "name" "CELERIAC_SENTINEL_PASSWORD" "secret" (include "celeriac.brokerSecretName" $.root) "key" . "optional" false) -}}
{{- end -}}
{{- end -}}
{{- if .own -}}
{{- $files = append $files (dict "name" "DATABASE_URL" "secret" (include "celeriac.databaseSecretName" .root) "key" (include "celeriac.databaseSecretKey" .root) "optional" false) -}}
{{- $files = append $files (dict "name" "CELERIAC_MESSAGE_KEYS" "secret" $apiSecret "key" "message-key" "optional" (not (empty .root.Values.api.existingSecret))) -}}
{{- end -}}
{{- if eq .component "api" -}}
{{- $files = append $files (dict "name" "CELERIAC_ADMIN_KEY" "secret" $apiSecret "key" "admin-key" "optional" false) -}}
{{- $files = append $files (dict "name" "CELERIAC_METRICS_KEY" "secret" $apiSecret "key" "metrics-key" "optional" false) -}}
{{- end -}}
{{- with .root.Values.settingsSecret -}}
{{- range concat (ternary (list "MONGODB_URL") list (not (empty $.own))) ($.secrets | default list) | uniq -}}
{{- $files = append $files (dict "name" . "secret" $.root.Values.settingsSecret "key" . "optional" true) -}}
{{- end -}}
{{- end -}}
{{- toYaml $files -}}
{{- end -}}

{{/* The volume of these files: each Secret with the keys that the container needs. Argument: the pod's context. */}}
{{- define "celeriac.secretVolume" -}}
{{- $files := include "celeriac.secretFiles" . | fromYamlArray -}}
name: secrets
projected:
  sources:
    {{- range $files }}
    - secret:
        name: {{ .secret | quote }}
        items: [{key: {{ .key | quote }}, path: {{ .name | quote }}}]
        {{- if .optional }}
        optional: true
        {{- end }}
    {{- end }}
{{- end -}}

{{/*
`env` and `envFrom` of a container, from the pod's context. Celeriac's own application gets its settings; what is secret
comes as files. Other applications get the release's broker, if it has one. `env` in the context are further variables.
*/}}
{{- define "celeriac.environment" -}}
env:
  - name: HOME
    value: /tmp
  {{- with include "celeriac.brokerSecretName" .root }}
  {{- if not $.secretFiles }}
  - name: CELERY_BROKER_URL
    valueFrom:
      secretKeyRef:
        name: {{ . | quote }}
        key: {{ include "celeriac.brokerKeyOf" (dict "root" $.root "component" $.component) | quote }}
  {{- end }}
  {{- with $.root.Values.broker }}
  {{- if .masterName }}
  - name: CELERIAC_SENTINEL_MASTER
    value: {{ .masterName | quote }}
  {{- end }}
  {{- if .sentinel.username }}
  - name: CELERIAC_SENTINEL_USERNAME
    value: {{ .sentinel.username | quote }}
  {{- end }}
  {{- if and .sentinel.passwordKey (not $.secretFiles) }}
  - name: CELERIAC_SENTINEL_PASSWORD
    valueFrom:
      secretKeyRef:
        name: {{ include "celeriac.brokerSecretName" $.root | quote }}
        key: {{ .sentinel.passwordKey | quote }}
  {{- end }}
  {{- if .sentinel.tls }}
  - name: CELERIAC_SENTINEL_TLS
    value: "true"
  {{- end }}
  {{- end }}
  {{- end }}
  {{- with .env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .values.pod.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $store := and .files .root.Values.objectStore.existingSecret }}
{{- if or .own .values.pod.envFrom }}
envFrom:
  {{- if .own }}
  - configMapRef:
      name: {{ include "celeriac.fullname" .root }}-settings
  {{- with $store }}
  - secretRef:
      name: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- with .values.pod.envFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Annotation of pods that read the settings: a change restarts them. */}}
{{- define "celeriac.settingsChecksum" -}}
celeriac.dev/settings: {{ include "celeriac.settings" . | sha256sum | trunc 16 | quote }}
{{- end -}}

{{- define "celeriac.settings" -}}
TEMP_DIR: /var/lib/celeriac/temp
STORAGE_DIR: /var/lib/celeriac/storage
CACHE_DIR: /var/lib/celeriac/cache
{{- with .Values.objectStore.url }}
STORAGE_URL: {{ . | quote }}
{{- end }}
{{- $hosts := list .Values.settings.CELERIAC_ALLOWED_HOSTS (ternary (include "celeriac.testHost" .) "" (eq (include "celeriac.testEnabled" .) "true")) | compact }}
{{- with $hosts }}
CELERIAC_ALLOWED_HOSTS: {{ join "," . | quote }}
{{- end }}
CELERIAC_LOG_FORMAT: {{ .Values.settings.CELERIAC_LOG_FORMAT | default "json" }}
{{- if not (hasKey .Values.settings "CELERIAC_FAIR_SHARES") }}
CELERIAC_FAIR_SHARES: "true"
{{- end }}
{{- range $name, $value := omit .Values.settings "CELERIAC_ALLOWED_HOSTS" "CELERIAC_LOG_FORMAT" }}
{{ $name }}: {{ if kindIs "string" $value }}{{ $value | quote }}{{ else }}{{ $value | toJson | quote }}{{ end }}
{{- end }}
{{- end -}}

{{/* The environment variables that users add, by the path of their `pod`, as YAML. */}}
{{- define "celeriac.userEnvironments" -}}
{{- $given := dict "api.pod" .Values.api.pod.env "beat.pod" .Values.beat.pod.env "operator.pod" .Values.operator.pod.env "flower.pod" .Values.flower.pod.env "exporter.pod" .Values.exporter.pod.env -}}
{{- range $name, $pool := include "celeriac.pools" . | fromYaml }}{{ $_ := set $given (printf "pool %s: pod" $name) $pool.pod.env }}{{ end -}}
{{- range $path, $env := $given }}{{ if not $env }}{{ $_ := unset $given $path }}{{ end }}{{ end -}}
{{- toYaml $given -}}
{{- end -}}
