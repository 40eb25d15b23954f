{{/*
Sources of the projected volume: exactly the files that config.toml refers to. It is mounted without subPath, because
the kubelet does not update subPath mounts.
*/}}
{{- define "tjansteguiden-gateway.sources" -}}
- configMap:
    name: {{ include "tjansteguiden-gateway.fullname" . }}
    items:
      - key: config.toml
        path: config.toml
      {{- range $name, $client := .Values.auth.clients }}
      {{- if $client.keySha256 }}
      - key: {{ $name }}-key-sha256
        path: clients/{{ $name }}-key-sha256
      {{- end }}
      {{- end }}
- secret:
    name: {{ include "tjansteguiden-gateway.secretName" . }}
    items:
      {{- range $name, $upstream := .Values.upstreams }}
      - key: {{ $name }}-api-user
        path: secrets/{{ $name }}-api-user
      {{- if eq (default "network" $upstream.dialect) "provider" }}
      - key: {{ $name }}-api-key
        path: secrets/{{ $name }}-api-key
      {{- end }}
      {{- end }}
      {{- if or .Values.server.secret .Values.server.secretInExistingSecret }}
      - key: server-secret
        path: secrets/server-secret
      {{- end }}
      {{- if or .Values.server.previousSecret .Values.server.previousSecretInExistingSecret }}
      - key: server-previous-secret
        path: secrets/server-previous-secret
      {{- end }}
{{- include "tjansteguiden-gateway.pair" (dict "from" .Values.tls "path" "tls/tls") }}
{{- include "tjansteguiden-gateway.file" (dict "from" .Values.tls.clientCa "path" "tls/client-ca.crt") }}
{{- range $name, $upstream := .Values.upstreams }}
{{- include "tjansteguiden-gateway.file" (dict "from" $upstream.ca "path" (printf "upstreams/%s/ca.crt" $name)) }}
{{- include "tjansteguiden-gateway.pair" (dict "from" $upstream.clientCert "path" (printf "upstreams/%s/client" $name)) }}
{{- end }}
{{- range $name, $client := .Values.auth.clients }}
{{- include "tjansteguiden-gateway.file" (dict "from" $client.keySha256From "key" "key-sha256" "path" (printf "clients/%s-key-sha256" $name)) }}
{{- end }}
{{- if eq .Values.auth.mode "jwt" }}
{{- include "tjansteguiden-gateway.file" (dict "from" .Values.auth.jwt.ca "path" "jwt/ca.crt") }}
{{- include "tjansteguiden-gateway.pair" (dict "from" .Values.auth.jwt.clientCert "path" "jwt/client") }}
{{- end }}
{{- end }}

{{/* One file from an existing ConfigMap or Secret; empty if the values name neither. */}}
{{- define "tjansteguiden-gateway.file" -}}
{{- with .from }}
- {{ ternary "secret" "configMap" (not (empty .existingSecret)) }}:
    name: {{ .existingSecret | default .existingConfigMap }}
    items:
      - key: {{ .key | default $.key | default "ca.crt" }}
        path: {{ $.path }}
{{- end }}
{{- end }}

{{/* Certificate and private key from an existing Secret of type kubernetes.io/tls; empty if the values name none. */}}
{{- define "tjansteguiden-gateway.pair" -}}
{{- with (.from).existingSecret }}
- secret:
    name: {{ . }}
    items:
      - key: tls.crt
        path: {{ $.path }}.crt
      - key: tls.key
        path: {{ $.path }}.key
{{- end }}
{{- end }}
