{{/* Start of a component's policy. Arguments: those of celeriac.metadata. */}}
{{- define "celeriac.networkPolicyPods" -}}
podSelector:
  matchLabels:
    {{- include "celeriac.selectorLabels" . | nindent 4 }}
{{- end -}}

{{/* `ports` of a rule. Argument: port numbers. */}}
{{- define "celeriac.networkPolicyPorts" -}}
ports:
  {{- range . }}
  - {protocol: TCP, port: {{ . }}}
  {{- end }}
{{- end -}}

{{/* Egress rule to a component of the release. Arguments: root, component, ports. */}}
{{- define "celeriac.egressToComponent" -}}
- to:
    - podSelector:
        matchLabels:
          {{- include "celeriac.selectorLabels" (dict "root" .root "component" .component) | nindent 10 }}
  {{- include "celeriac.networkPolicyPorts" .ports | nindent 2 }}
{{- end -}}

{{/* Egress rule to a target outside the release. Arguments: peers (none: any address), ports. */}}
{{- define "celeriac.egressToPeers" -}}
- {{- with .peers }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- include "celeriac.networkPolicyPorts" .ports | nindent 2 }}
{{- end -}}

{{- define "celeriac.egressToBroker" -}}
{{- if .Values.redis.enabled -}}
{{- include "celeriac.egressToComponent" (dict "root" . "component" "redis" "ports" (list 6379)) -}}
{{- else -}}
{{- include "celeriac.egressToPeers" (dict "peers" .Values.networkPolicy.brokerPeers "ports" .Values.networkPolicy.brokerPorts) -}}
{{- end -}}
{{- end -}}

{{- define "celeriac.egressToDatabase" -}}
{{- if .Values.postgresql.enabled -}}
{{- include "celeriac.egressToComponent" (dict "root" . "component" "postgresql" "ports" (list 5432)) -}}
{{- else -}}
{{- include "celeriac.egressToPeers" (dict "peers" .Values.networkPolicy.databasePeers "ports" .Values.networkPolicy.databasePorts) -}}
{{- end -}}
{{- end -}}

{{/* Egress of Celeriac's own application: broker, database and, if there is one, the object store. */}}
{{- define "celeriac.egressOfApplication" -}}
{{ include "celeriac.egressToBroker" . }}
{{ include "celeriac.egressToDatabase" . }}
{{- if .Values.objectStore.url }}
{{ include "celeriac.egressToPeers" (dict "peers" .Values.networkPolicy.objectStorePeers "ports" .Values.networkPolicy.objectStorePorts) }}
{{- end }}
{{- end -}}

{{/* Egress rule to public addresses: everything except the private ranges. Colons mark the ranges of IPv6. */}}
{{- define "celeriac.egressToInternet" -}}
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except:
          {{- range .Values.networkPolicy.privateRanges }}
          {{- if not (contains ":" .) }}
          - {{ . | quote }}
          {{- end }}
          {{- end }}
    - ipBlock:
        cidr: "2000::/3"
        except:
          {{- range .Values.networkPolicy.privateRanges }}
          {{- if contains ":" . }}
          - {{ . | quote }}
          {{- end }}
          {{- end }}
{{- end -}}

{{/* Ingress rule from the clients of the API. Argument: dict of root, port. */}}
{{- define "celeriac.ingressFromClients" -}}
- {{- with .root.Values.networkPolicy.apiClients }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- include "celeriac.networkPolicyPorts" (list .port) | nindent 2 }}
{{- end -}}

{{/* Ingress rule from Prometheus. Argument: dict of root, port. */}}
{{- define "celeriac.ingressFromMetricsClients" -}}
- {{- with .root.Values.networkPolicy.metricsClients }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- include "celeriac.networkPolicyPorts" (list .port) | nindent 2 }}
{{- end -}}

{{/* Ingress rule from the release's own pods. Arguments: root, port. */}}
{{- define "celeriac.ingressFromRelease" -}}
- from:
    - podSelector:
        matchLabels:
          app.kubernetes.io/name: {{ .root.Values.nameOverride | default .root.Chart.Name | quote }}
          app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
  {{- include "celeriac.networkPolicyPorts" (list .port) | nindent 2 }}
{{- end -}}
