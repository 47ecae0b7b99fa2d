{{/* Not empty if `helm test` has a test. */}}
{{- define "celeriac.testEnabled" -}}
{{- if and .Values.tests.enabled .Values.pipelines.enabled }}true{{ end -}}
{{- end -}}

{{/* Name of the test's Service, as jobs see it. */}}
{{- define "celeriac.testHost" -}}
{{- printf "%s-test.%s.svc" (include "celeriac.fullname" .) .Release.Namespace -}}
{{- end -}}

{{/* Annotations of objects that `helm test` creates, and removes when it has succeeded. Argument: weight. */}}
{{- define "celeriac.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* The pools of the test's two jobs, as YAML: minReplicas by name. */}}
{{- define "celeriac.testedPools" -}}
{{- $floors := dict -}}
{{- if eq .Values.autoscaling.provider "operator" -}}
{{- range $name, $pool := include "celeriac.pools" . | fromYaml -}}
{{- if has $name (list "download" "conversion" "documents") -}}
{{- $_ := set $floors (printf "%s-%s" (include "celeriac.fullname" $) $name) (int $pool.minReplicas) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $floors -}}
{{- end -}}
