{{/* Reference of an image, from its digest or its tag. Arguments: root, image. */}}
{{- define "celeriac.imageReference" -}}
{{- $name := ternary .image.repository (printf "%s/%s" .image.registry .image.repository) (empty .image.registry) -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* `image` and `imagePullPolicy` of a container: the first of the given images that has a name. Arguments: root, images. */}}
{{- define "celeriac.image" -}}
{{- $chosen := .root.Values.image -}}
{{- range reverse .images }}{{ if and . .repository }}{{ $chosen = . }}{{ end }}{{ end -}}
image: {{ include "celeriac.imageReference" (dict "root" .root "image" $chosen) | quote }}
imagePullPolicy: {{ $chosen.pullPolicy | default "IfNotPresent" }}
{{- end -}}
