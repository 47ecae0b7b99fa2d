{{/* The init containers that migrate the database, as a list. Argument: the context of the API's pod. */}}
{{- define "celeriac.migration" -}}
{{- if .root.Values.migrations.enabled }}
- name: migrate
  {{- include "celeriac.image" (dict "root" .root "images" (list .root.Values.api.image)) | nindent 2 }}
  command: [celeriac, db, upgrade, --wait=300]
  {{- include "celeriac.environment" . | nindent 2 }}
  {{- include "celeriac.containerEnd" . | nindent 2 }}
{{- else }}[]
{{- end }}
{{- end -}}
