{{/*
Every worker pool by name, as YAML, with the defaults in it. Beside the values of a pool it holds:
fullname (of its objects), own (whether it runs Celeriac's own application), images (the first that has
a repository is its image). Its queues are never empty.
*/}}
{{- define "celeriac.pools" -}}
{{- $pools := dict -}}
{{- if .Values.pipelines.enabled -}}
{{- range $name, $pool := .Values.pipelines.pools -}}
{{- $_ := set $pools $name (include "celeriac.pool" (dict "root" $ "name" $name "pool" $pool "own" true "image" dict) | fromYaml) -}}
{{- end -}}
{{- end -}}
{{- range $name, $pool := .Values.workers.pools -}}
{{- $_ := set $pools $name (include "celeriac.pool" (dict "root" $ "name" $name "pool" $pool "own" (empty $.Values.celery.app) "image" $.Values.workers.image) | fromYaml) -}}
{{- end -}}
{{- toYaml $pools -}}
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
{{- $_ := set $merged "queues" ($merged.queues | default (list .name)) -}}
{{- $_ := set $merged "own" .own -}}
{{- $_ := set $merged "images" (list $merged.image .image) -}}
{{- $_ := set $merged "fullname" (printf "%s-worker-%s" (include "celeriac.fullname" .root) .name) -}}
{{- toYaml $merged -}}
{{- end -}}

{{/* The worker's command line. Celery itself holds processes to time limits, Celeriac's tasks look at theirs in threads. */}}
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
  - --queue={{ . }}
  {{- end }}
{{- else }}
command: [celery, --app, {{ .root.Values.celery.app | quote }}, worker]
args:
  - --queues={{ join "," .pool.queues }}
{{- end }}
  - --pool={{ .pool.pool }}
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
startupProbe:
  exec:
    command: {{ include "celeriac.livenessCommand" 60 }}
  periodSeconds: 3
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  exec:
    command: {{ include "celeriac.livenessCommand" 60 }}
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 3
{{- end }}
{{- end -}}

{{/* A shell command that succeeds while CELERIAC_LIVENESS_FILE is younger than so many seconds. */}}
{{- define "celeriac.livenessCommand" -}}
[sh, -c, 'test "$(( $(date +%s) - $(stat -c %Y "$CELERIAC_LIVENESS_FILE") ))" -lt {{ . }}']
{{- end -}}
