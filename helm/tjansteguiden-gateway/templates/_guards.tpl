{{/* Rejects at render time what would otherwise fail only when a pod starts or stops. */}}
{{- define "tjansteguiden-gateway.guards" -}}
{{- if not .Values.upstreams }}
{{- fail "upstreams is empty: set upstreams.<name>.url to the URL of the legacy order API" }}
{{- end }}
{{- if and (eq .Values.auth.mode "none") (gt (len .Values.upstreams) 1) }}
{{- fail "auth.mode none allows exactly one upstream: only an authenticated client can be assigned to one of several" }}
{{- end }}
{{- if and (eq .Values.auth.mode "none") (not .Values.auth.allowUnauthenticated) }}
{{- fail (cat "auth.mode none: anyone who can reach the gateway acts with its upstream identity;"
              "set auth.allowUnauthenticated=true if only trusted clients can reach it") }}
{{- end }}
{{- include "tjansteguiden-gateway.guardCallers" . }}
{{- range $name, $upstream := .Values.upstreams }}
{{- if not $upstream.url }}
{{- fail (printf "upstreams.%s.url is missing: set it to the URL of the legacy order API" $name) }}
{{- end }}
{{- if and $.Values.existingSecret (or $upstream.apiUser $upstream.apiKey) }}
{{- fail (printf "existingSecret and a credential of upstreams.%s are both set: use only one of them" $name) }}
{{- end }}
{{- if and (eq (default "network" $upstream.dialect) "provider") (not (or $.Values.existingSecret $upstream.apiKey)) }}
{{- fail (printf "upstreams.%s has no apiKey: the provider dialect requires one" $name) }}
{{- end }}
{{- if and $upstream.apiKey (ne (default "network" $upstream.dialect) "provider") }}
{{- fail (printf "upstreams.%s.apiKey is set, but only the provider dialect uses it" $name) }}
{{- end }}
{{- if not (or $.Values.existingSecret $upstream.apiUser) }}
{{- fail (printf "upstreams.%s has no credential: set apiUser, or existingSecret to a Secret with the key %s-api-user"
                 $name $name) }}
{{- end }}
{{- end }}
{{- if and .Values.tls.clientCa (not .Values.tls.existingSecret) }}
{{- fail "tls.clientCa is set without tls.existingSecret: client certificates require a server certificate" }}
{{- end }}
{{- include "tjansteguiden-gateway.guardFile" (dict "name" "tls.clientCa" "from" .Values.tls.clientCa) }}
{{- range $name, $upstream := .Values.upstreams }}
{{- include "tjansteguiden-gateway.guardFile" (dict "name" (printf "upstreams.%s.ca" $name) "from" $upstream.ca) }}
{{- if and (hasPrefix "http:" $upstream.url) (or $upstream.ca $upstream.clientCert $upstream.minTlsVersion) }}
{{- fail (printf "upstreams.%s sets ca, clientCert or minTlsVersion, but its url is plain http" $name) }}
{{- end }}
{{- end }}
{{- range $key := list "secret" "previousSecret" }}
{{- $switch := printf "%sInExistingSecret" $key }}
{{- if and $.Values.existingSecret (get $.Values.server $key) }}
{{- fail (printf "existingSecret and server.%s are both set: set server.%s=true to read it from existingSecret" $key $switch) }}
{{- end }}
{{- if and (get $.Values.server $switch) (not $.Values.existingSecret) }}
{{- fail (printf "server.%s is true, but existingSecret is not set" $switch) }}
{{- end }}
{{- end }}
{{- if and (or .Values.server.previousSecret .Values.server.previousSecretInExistingSecret)
           (not (or .Values.server.secret .Values.server.secretInExistingSecret)) }}
{{- fail "a previous server secret is set without a current one: set server.secret or server.secretInExistingSecret" }}
{{- end }}
{{- $request := include "tjansteguiden-gateway.milliseconds" .Values.server.requestTimeout | int64 }}
{{- $delay := include "tjansteguiden-gateway.milliseconds" .Values.server.drainDelay | int64 }}
{{- $drain := include "tjansteguiden-gateway.milliseconds" .Values.server.drainTimeout | int64 }}
{{- if lt $drain $request }}
{{- fail (printf "server.drainTimeout (%s) is shorter than server.requestTimeout (%s): shutdown would abort requests in flight"
                 .Values.server.drainTimeout .Values.server.requestTimeout) }}
{{- end }}
{{- if le (mul 1000 (int64 .Values.terminationGracePeriodSeconds)) (add $delay $drain) }}
{{- fail (printf (cat "terminationGracePeriodSeconds (%d) must exceed server.drainDelay + server.drainTimeout (%s + %s):"
                      "the kubelet would kill pods before they have drained")
                 (int64 .Values.terminationGracePeriodSeconds) .Values.server.drainDelay .Values.server.drainTimeout) }}
{{- end }}
{{- end }}

{{- define "tjansteguiden-gateway.guardCallers" -}}
{{- $mode := .Values.auth.mode }}
{{- $several := gt (len .Values.upstreams) 1 }}
{{- if and .Values.auth.clients (ne $mode "api-key") }}
{{- fail (printf "auth.clients is set, but auth.mode %s does not use API keys" $mode) }}
{{- end }}
{{- if and .Values.auth.jwt.issuer (ne $mode "jwt") }}
{{- fail (printf "auth.jwt.issuer is set, but auth.mode %s does not use tokens" $mode) }}
{{- end }}
{{- if and (eq $mode "api-key") (not .Values.auth.clients) }}
{{- fail (cat "auth.mode api-key requires auth.clients: generate a key with `tjansteguiden-gateway keygen`"
              "and set its hash as auth.clients.<name>.keySha256") }}
{{- end }}
{{- $owners := dict }}
{{- range $name, $client := .Values.auth.clients }}
{{- if eq (empty $client.keySha256) (empty $client.keySha256From) }}
{{- fail (printf "auth.clients.%s must set exactly one of keySha256 and keySha256From" $name) }}
{{- end }}
{{- include "tjansteguiden-gateway.guardFile"
    (dict "name" (printf "auth.clients.%s.keySha256From" $name) "from" $client.keySha256From) }}
{{- range $client.keySha256 }}
{{- $owner := get $owners (lower .) | default $name }}
{{- if ne $owner $name }}
{{- fail (printf "auth.clients.%s.keySha256 contains a key of client %s: a key must identify one client" $name $owner) }}
{{- end }}
{{- $_ := set $owners (lower .) $name }}
{{- end }}
{{- if and $client.upstream (not (hasKey $.Values.upstreams $client.upstream)) }}
{{- fail (printf "auth.clients.%s.upstream is %s, which is not a key of upstreams" $name $client.upstream) }}
{{- end }}
{{- if and $several (not $client.upstream) }}
{{- fail (printf "auth.clients.%s.upstream is missing: it is required with several upstreams" $name) }}
{{- end }}
{{- end }}
{{- if eq $mode "jwt" }}
{{- with .Values.auth.jwt }}
{{- if not .issuer }}
{{- fail "auth.jwt.issuer is missing: set it to the `iss` claim of the tokens" }}
{{- end }}
{{- if not .audience }}
{{- fail "auth.jwt.audience is missing: set it to the accepted values of the `aud` claim" }}
{{- end }}
{{- if and $several (not .upstreamClaim) }}
{{- fail "auth.jwt.upstreamClaim is missing: it is required with several upstreams" }}
{{- end }}
{{- include "tjansteguiden-gateway.guardFile" (dict "name" "auth.jwt.ca" "from" .ca) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tjansteguiden-gateway.guardFile" -}}
{{- if and .from (eq (empty .from.existingConfigMap) (empty .from.existingSecret)) }}
{{- fail (printf "%s must set exactly one of existingConfigMap and existingSecret" .name) }}
{{- end }}
{{- end }}

{{/* Converts a duration ("25s", "5m" or "500ms") to milliseconds; values.schema.json rejects other formats. */}}
{{- define "tjansteguiden-gateway.milliseconds" -}}
{{- mul (regexFind "^[0-9]+" .) (get (dict "ms" 1 "s" 1000 "m" 60000) (regexFind "[a-z]+$" .)) -}}
{{- end }}
