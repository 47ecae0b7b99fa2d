{{/* Annotation that keeps an object after `helm uninstall`. Argument: whether to keep it. */}}
{{- define "celeriac.keep" -}}
{{- if . -}}
helm.sh/resource-policy: keep
{{- end -}}
{{- end -}}

{{/* Spec of a PersistentVolumeClaim. Arguments: claim (storageClassName, size), accessMode. */}}
{{- define "celeriac.claimSpec" -}}
accessModes: [{{ .accessMode }}]
{{- with .claim.storageClassName }}
storageClassName: {{ . | quote }}
{{- end }}
resources:
  requests:
    storage: {{ .claim.size }}
{{- end -}}

{{/* Volume `data` of a StatefulSet. Arguments: root, component, persistence. */}}
{{- define "celeriac.dataVolume" -}}
name: data
{{- if .persistence.enabled }}
persistentVolumeClaim:
  claimName: {{ .persistence.existingClaim | default (printf "%s-%s" (include "celeriac.fullname" .root) .component) | quote }}
{{- else }}
emptyDir: {}
{{- end }}
{{- end -}}

{{/* The password of an earlier release, else a generated one. Arguments: root, secret (its name). */}}
{{- define "celeriac.password" -}}
{{- $kept := (lookup "v1" "Secret" .root.Release.Namespace .secret).data | default dict -}}
{{- $kept.password | default "" | b64dec | default (randAlphaNum 32) -}}
{{- end -}}
