{{/* Name of the release's objects. Short, because the host names of worker pods contain it. */}}
{{- define "celeriac.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 26 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 26 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select the pods of a component. Arguments: root, component, and pool for workers. */}}
{{- define "celeriac.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Values.nameOverride | default .root.Chart.Name | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- with .pool }}
celeriac.dev/pool: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "celeriac.labels" -}}
{{ include "celeriac.selectorLabels" . }}
app.kubernetes.io/part-of: celeriac
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
Metadata of an object. Arguments: root, component, and where needed pool, suffix (of the name),
name (in full), namespaced (false for cluster objects), labels, annotations.
*/}}
{{- define "celeriac.metadata" -}}
name: {{ .name | default (printf "%s-%s" (include "celeriac.fullname" .root) (.suffix | default .component)) | quote }}
{{- if ne .namespaced false }}
namespace: {{ .root.Release.Namespace | quote }}
{{- end }}
labels:
  {{- include "celeriac.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "celeriac.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "celeriac.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}
