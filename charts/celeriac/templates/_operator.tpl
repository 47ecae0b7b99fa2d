{{/* Not empty where the release has an operator of its own. */}}
{{- define "celeriac.operatorEnabled" -}}
{{- if and .Values.operator.enabled (eq .Values.autoscaling.provider "operator") }}true{{ end -}}
{{- end -}}

{{/* Name of the operator's cluster objects, which other releases must not share. */}}
{{- define "celeriac.operatorClusterName" -}}
{{- printf "%s-%s-operator" .Release.Namespace (include "celeriac.fullname" .) -}}
{{- end -}}
