{{/*
Helpers of pods. Their argument, the pod's context, holds:
root, component, pool (workers: its name), values (pod, resources), and optionally
class (platform or workers, for the priority), grace (seconds), user (instead of security.runAsUser),
own (whether the container is Celeriac's own application), files (mounts the shared files),
spread (over nodes), token (of the service account), serviceAccount, init (containers), volumes, mounts,
env, checksums (annotations of the pods that change with a configuration), secretFiles (whether the container runs
Celeriac, which reads secrets from files), secrets (names of those that it needs of `settingsSecret`).
*/}}

{{- define "celeriac.podMetadata" -}}
labels:
  {{- include "celeriac.selectorLabels" . | nindent 2 }}
  {{- if .files }}
  celeriac.dev/files: {{ include "celeriac.fullname" .root | quote }}
  {{- end }}
  {{- with merge (dict) (.values.pod.labels | default dict) .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.values.pod.annotations | default dict) (.checksums | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The spec of a pod without its containers. */}}
{{- define "celeriac.podSpec" -}}
serviceAccountName: {{ .serviceAccount | default (include "celeriac.serviceAccountName" .root) | quote }}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false
{{- if not (has .component (list "redis" "postgresql")) }}
{{- /*
A first process does not hear SIGTERM until it has said what to do then, and Python comes to that late: a worker
that is told to go while it starts would stay, take tasks, and be killed with them. Here pause is the first process.
*/}}
shareProcessNamespace: true
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "celeriac.podSecurityContext" . | nindent 2 }}
terminationGracePeriodSeconds: {{ .values.pod.terminationGracePeriodSeconds | default .grace | default 30 }}
{{- with .values.pod.priorityClassName | default (include "celeriac.priorityClassName" .) }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .values.pod.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .values.pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "celeriac.affinity" . | fromYaml }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "celeriac.spread" . }}
topologySpreadConstraints:
  {{- . | nindent 2 }}
{{- end }}
{{- with concat (.init | default list) (.values.pod.initContainers | default list) }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {}
  {{- if .files }}
  - name: files
    persistentVolumeClaim:
      claimName: {{ .root.Values.files.existingClaim | default (printf "%s-files" (include "celeriac.fullname" .root)) | quote }}
  {{- end }}
  {{- if .secretFiles }}
  - {{- include "celeriac.secretVolume" . | nindent 4 }}
  {{- end }}
  {{- with .volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .values.pod.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Volume mounts of the main container, as a list without its key. `mounts` are additional ones. */}}
{{- define "celeriac.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .files }}
- name: files
  mountPath: /var/lib/celeriac
{{- end }}
{{- if .secretFiles }}
- name: secrets
  mountPath: /run/secrets/celeriac
  readOnly: true
{{- end }}
{{- with .mounts }}
{{ toYaml . }}
{{- end }}
{{- with .values.pod.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The fields of the main container after its probes. */}}
{{- define "celeriac.containerEnd" -}}
resources:
  {{- toYaml .values.resources | nindent 2 }}
securityContext:
  {{- include "celeriac.containerSecurityContext" . | nindent 2 }}
volumeMounts:
  {{- include "celeriac.volumeMounts" . | nindent 2 }}
{{- end -}}

{{/* The containers beside the main one. */}}
{{- define "celeriac.sidecars" -}}
{{- with .values.pod.sidecars }}
{{- toYaml . }}
{{- end }}
{{- end -}}

{{/*
A startup probe that waits inside of the container until a shell command succeeds. A probe that fails until the container
is up would report an Unhealthy event every few seconds of every ordinary start. Arguments: command, shell (sh), attempts (of
a minute each).
*/}}
{{- define "celeriac.startupProbe" -}}
startupProbe:
  exec:
    command: [{{ .shell | default "sh" }}, -c, {{ printf "n=0; until %s; do n=$((n + 1)); test $n -lt 50 || exit 1; sleep 1; done" .command | quote }}]
  periodSeconds: 1
  timeoutSeconds: 60
  failureThreshold: {{ .attempts | default 3 }}
{{- end -}}

{{/* The same for a server: until a GET answers 200. Arguments: port, path. */}}
{{- define "celeriac.httpStartupProbe" -}}
{{- $request := printf "exec 3<>/dev/tcp/127.0.0.1/%d && printf 'GET %s HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && grep -q '^HTTP/1.. 200' <&3" (int .port) .path -}}
{{- include "celeriac.startupProbe" (dict "shell" "bash" "command" (printf "(%s) 2>/dev/null" $request)) -}}
{{- end -}}

{{/* The security context that a restricted namespace requires. */}}
{{- define "celeriac.containerSecurityContext" -}}
{{- $restricted := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- range $key, $value := .values.pod.containerSecurityContext }}{{ $_ := set $restricted $key $value }}{{ end -}}
{{- toYaml $restricted -}}
{{- end -}}

{{- define "celeriac.podSecurityContext" -}}
{{- $security := .root.Values.security -}}
{{- $context := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- with $security.runAsUser }}{{ $_ := set $context "runAsUser" ($.user | default .) }}{{ end -}}
{{- with $security.runAsGroup }}{{ $_ := set $context "runAsGroup" ($.user | default .) }}{{ end -}}
{{- with $security.fsGroup }}{{ $_ := set $context "fsGroup" ($.user | default .) }}{{ $_ := set $context "fsGroupChangePolicy" "OnRootMismatch" }}{{ end -}}
{{- range $key, $value := .values.pod.securityContext }}{{ $_ := set $context $key $value }}{{ end -}}
{{- toYaml $context -}}
{{- end -}}

{{- define "celeriac.priorityClassName" -}}
{{- if .root.Values.priorityClasses.create -}}
{{- printf "%s-%s" (include "celeriac.fullname" .root) (.class | default "platform") -}}
{{- end -}}
{{- end -}}

{{/* The pod's affinity and, if all users of the shared files must run on one node, the rule for that. */}}
{{- define "celeriac.affinity" -}}
{{- $affinity := deepCopy (.values.pod.affinity | default dict) -}}
{{- if and .files (eq .root.Values.files.accessMode "ReadWriteOnce") -}}
{{- $together := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (dict "celeriac.dev/files" (include "celeriac.fullname" .root))) -}}
{{- $podAffinity := $affinity.podAffinity | default dict -}}
{{- $required := concat (list $together) ($podAffinity.requiredDuringSchedulingIgnoredDuringExecution | default list) -}}
{{- $_ := set $podAffinity "requiredDuringSchedulingIgnoredDuringExecution" $required -}}
{{- $_ := set $affinity "podAffinity" $podAffinity -}}
{{- end -}}
{{- toYaml $affinity -}}
{{- end -}}

{{- define "celeriac.spread" -}}
{{- if .values.pod.topologySpreadConstraints -}}
{{- toYaml .values.pod.topologySpreadConstraints -}}
{{- else if .spread -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "celeriac.selectorLabels" . | nindent 6 }}
{{- end -}}
{{- end -}}
