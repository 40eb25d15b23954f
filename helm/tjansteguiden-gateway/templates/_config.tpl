{{/*
Renders a map as TOML: keys become snake_case, and empty values are omitted, so that the gateway's defaults apply. JSON
strings and integers are valid TOML. toJson, because printing a large number directly gives scientific notation.
*/}}
{{- define "tjansteguiden-gateway.toml" -}}
{{- range $key, $value := . }}
{{- if or $value (kindIs "bool" $value) }}
{{ snakecase $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* Trusted CAs and client certificate of outgoing connections. */}}
{{- define "tjansteguiden-gateway.clientTls" -}}
{{- if .section.ca }}
ca_file = "/etc/tjansteguiden-gateway/{{ .folder }}/ca.crt"
{{- end }}
{{- if .section.clientCert }}
client_cert_file = "/etc/tjansteguiden-gateway/{{ .folder }}/client.crt"
client_key_file = "/etc/tjansteguiden-gateway/{{ .folder }}/client.key"
{{- end }}
{{- end }}

{{- define "tjansteguiden-gateway.config" -}}
[server]
listen = "0.0.0.0:8080"
ops_listen = "0.0.0.0:8081"
{{- if or .Values.server.secret .Values.server.secretInExistingSecret }}
secret_file = "/etc/tjansteguiden-gateway/secrets/server-secret"
{{- end }}
{{- if or .Values.server.previousSecret .Values.server.previousSecretInExistingSecret }}
previous_secret_file = "/etc/tjansteguiden-gateway/secrets/server-previous-secret"
{{- end }}
{{- include "tjansteguiden-gateway.toml" (omit .Values.server "secret" "previousSecret" "secretInExistingSecret" "previousSecretInExistingSecret") }}

{{- if .Values.tls.existingSecret }}

[server.tls]
cert_file = "/etc/tjansteguiden-gateway/tls/tls.crt"
key_file = "/etc/tjansteguiden-gateway/tls/tls.key"
{{- if .Values.tls.clientCa }}
client_ca_file = "/etc/tjansteguiden-gateway/tls/client-ca.crt"
{{- end }}
{{- end }}

[auth]
{{- include "tjansteguiden-gateway.toml" (omit .Values.auth "clients" "jwt") }}
{{- range $name, $client := .Values.auth.clients }}

[auth.clients.{{ $name }}]
key_sha256_file = "/etc/tjansteguiden-gateway/clients/{{ $name }}-key-sha256"
{{- include "tjansteguiden-gateway.toml" (omit $client "keySha256" "keySha256From") }}
{{- end }}
{{- if eq .Values.auth.mode "jwt" }}

[auth.jwt]
{{- include "tjansteguiden-gateway.clientTls" (dict "section" .Values.auth.jwt "folder" "jwt") }}
{{- include "tjansteguiden-gateway.toml" (omit .Values.auth.jwt "ca" "clientCert" (ternary "scopeClaims" "" (not (empty .Values.auth.jwt.scopeClaim)))) }}
{{- end }}

[log]
{{- include "tjansteguiden-gateway.toml" .Values.log }}
{{- range $name, $upstream := .Values.upstreams }}

[upstreams.{{ $name }}]
api_user_file = "/etc/tjansteguiden-gateway/secrets/{{ $name }}-api-user"
{{- if eq (default "network" $upstream.dialect) "provider" }}
api_key_file = "/etc/tjansteguiden-gateway/secrets/{{ $name }}-api-key"
{{- end }}
{{- include "tjansteguiden-gateway.clientTls" (dict "section" $upstream "folder" (printf "upstreams/%s" $name)) }}
{{- include "tjansteguiden-gateway.toml" (omit $upstream "apiUser" "apiKey" "breaker" "ca" "clientCert") }}
{{- with $upstream.breaker }}

[upstreams.{{ $name }}.breaker]
{{- include "tjansteguiden-gateway.toml" . }}
{{- end }}
{{- end }}
{{- end }}
