{{/*
A map as TOML: camelCase becomes snake_case. A JSON string or whole number is a TOML one too,
and toJson never falls into scientific notation, as a plain print of a large number does.
*/}}
{{- define "tjansteguiden-gateway.toml" -}}
{{- range $key, $value := . }}
{{ snakecase $key }} = {{ toJson $value }}
{{- end }}
{{- end }}

{{- define "tjansteguiden-gateway.config" -}}
[server]
listen = "0.0.0.0:8080"
ops_listen = "0.0.0.0:8081"
{{- include "tjansteguiden-gateway.toml" .Values.server }}

[auth]
{{- include "tjansteguiden-gateway.toml" .Values.auth }}

[log]
{{- include "tjansteguiden-gateway.toml" .Values.log }}
{{- range $name, $upstream := .Values.upstreams }}

[upstreams.{{ $name }}]
api_user_file = "/etc/tjansteguiden-gateway/secrets/{{ $name }}-api-user"
{{- if eq (default "network" $upstream.dialect) "provider" }}
api_key_file = "/etc/tjansteguiden-gateway/secrets/{{ $name }}-api-key"
{{- end }}
{{- include "tjansteguiden-gateway.toml" (omit $upstream "apiUser" "apiKey") }}
{{- end }}
{{- end }}
