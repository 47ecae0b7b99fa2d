{{/* Not empty if monitors are enabled and the cluster has the kind. Arguments: root, kind. */}}
{{- define "celeriac.monitored" -}}
{{- if and .root.Values.monitoring.monitors (.root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind)) }}true{{ end -}}
{{- end -}}

{{/* The names of all queues of all pools, as YAML. */}}
{{- define "celeriac.allQueues" -}}
{{- $queues := list -}}
{{- range $_, $pool := include "celeriac.pools" . | fromYaml }}{{ $queues = concat $queues $pool.queues }}{{ end -}}
{{- $queues | uniq | sortAlpha | toYaml -}}
{{- end -}}

{{/* The selector of a monitor's objects. Arguments: root, component. */}}
{{- define "celeriac.monitorSelector" -}}
selector:
  matchLabels:
    {{- include "celeriac.selectorLabels" . | nindent 4 }}
namespaceSelector:
  matchNames: [{{ .root.Release.Namespace | quote }}]
{{- end -}}
