{{/* Names of a pool's triggers, one for each queue and priority step, separated by commas. Arguments: pool, steps. */}}
{{- define "celeriac.kedaNames" -}}
{{- $names := list -}}
{{- range $position, $queue := .pool.queues -}}
{{- range $step := $.steps }}{{ $names = append $names (printf "q%dp%d" $position (int $step)) }}{{ end -}}
{{- end -}}
{{- join "," $names -}}
{{- end -}}
