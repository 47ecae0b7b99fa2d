{{/* Not empty if the release has an operator. */}}
{{- define "celeriac.operatorEnabled" -}}
{{- if and .Values.operator.enabled (eq .Values.autoscaling.provider "operator") }}true{{ end -}}
{{- end -}}

{{/*
Rules of the operator's role. It may read the release's own broker Secret and those of `operator.brokerSecrets`; all
Secrets where that is null. An empty `resourceNames` would allow every Secret, so the rule is left out then.
*/}}
{{- define "celeriac.operatorRules" -}}
{{- $secrets := append (.Values.operator.brokerSecrets | default list) (include "celeriac.brokerSecretName" .) | compact | uniq -}}
{{- $rule := dict "apiGroups" (list "") "resources" (list "secrets") "verbs" (list "get") -}}
{{- range (.Files.Get "files/operator-role.yaml" | fromYaml).rules }}
- {{ toJson . }}
{{- end }}
{{- if kindIs "invalid" .Values.operator.brokerSecrets }}
- {{ toJson $rule }}
{{- else if $secrets }}
- {{ set $rule "resourceNames" $secrets | toJson }}
{{- end }}
{{- end -}}

{{/* Name of the operator's cluster objects, which other releases must not share. */}}
{{- define "celeriac.operatorClusterName" -}}
{{- printf "%s-%s-operator" .Release.Namespace (include "celeriac.fullname" .) -}}
{{- end -}}
