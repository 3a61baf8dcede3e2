{{- define "spotter.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "spotter.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "spotter.labels" -}}
{{ include "spotter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* The 95th percentile of the queue wait of this release's pods, in seconds; 0 when nobody asks. */}}
{{- define "spotter.queueWait" -}}
(histogram_quantile(0.95, sum by (le) (rate(spotter_queue_wait_seconds_bucket{namespace="{{ .Release.Namespace }}", service="{{ include "spotter.name" . }}"}[1m]))) >= 0) or vector(0)
{{- end -}}
