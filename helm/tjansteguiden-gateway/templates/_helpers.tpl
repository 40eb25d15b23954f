{{- define "tjansteguiden-gateway.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "tjansteguiden-gateway.fullname" -}}
{{- $name := include "tjansteguiden-gateway.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "tjansteguiden-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tjansteguiden-gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tjansteguiden-gateway.labels" -}}
{{ include "tjansteguiden-gateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tjansteguiden-gateway.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "tjansteguiden-gateway.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end }}

{{- define "tjansteguiden-gateway.secretName" -}}
{{- .Values.existingSecret | default (include "tjansteguiden-gateway.fullname" .) -}}
{{- end }}

{{- define "tjansteguiden-gateway.scheme" -}}
{{- ternary "https" "http" (not (empty .Values.tls.existingSecret)) -}}
{{- end }}

{{- define "tjansteguiden-gateway.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}
