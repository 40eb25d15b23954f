{{/* Mistakes that would otherwise show only when a pod starts or stops, refused before anything is installed. */}}
{{- define "tjansteguiden-gateway.guards" -}}
{{- if not .Values.upstreams }}
{{- fail "upstreams is empty: set upstreams.<name>.url to the address of the order system" }}
{{- end }}
{{- if and (eq .Values.auth.mode "none") (gt (len .Values.upstreams) 1) }}
{{- fail "auth.mode none allows exactly one upstream: without a caller's identity the gateway cannot tell which one is meant" }}
{{- end }}
{{- if and (eq .Values.auth.mode "none") (not .Values.auth.allowUnauthenticated) }}
{{- fail "auth.mode none: whoever reaches the gateway inherits its identity at the order system; set auth.allowUnauthenticated=true if only trusted callers can reach it" }}
{{- end }}
{{- include "tjansteguiden-gateway.guardCallers" . }}
{{- range $name, $upstream := .Values.upstreams }}
{{- if not $upstream.url }}
{{- fail (printf "upstreams.%s.url is missing: set it to the address of the order system" $name) }}
{{- end }}
{{- if and $.Values.existingSecret (or $upstream.apiUser $upstream.apiKey) }}
{{- fail (printf "existingSecret and a credential of upstreams.%s are both set: it must come from one place" $name) }}
{{- end }}
{{- if and (eq (default "network" $upstream.dialect) "provider") (not (or $.Values.existingSecret $upstream.apiKey)) }}
{{- fail (printf "upstreams.%s has no apiKey: the dialect provider logs in with one" $name) }}
{{- end }}
{{- if and $upstream.apiKey (ne (default "network" $upstream.dialect) "provider") }}
{{- fail (printf "upstreams.%s.apiKey is set, but only the dialect provider logs in with one" $name) }}
{{- end }}
{{- if not (or $.Values.existingSecret $upstream.apiUser) }}
{{- fail (printf "upstreams.%s has no credential: set its apiUser, or existingSecret to a Secret with the key %s-api-user" $name $name) }}
{{- end }}
{{- end }}
{{- if and .Values.tls.clientCa (not .Values.tls.existingSecret) }}
{{- fail "tls.clientCa is set without tls.existingSecret: clients show no certificate to a server that has none" }}
{{- end }}
{{- include "tjansteguiden-gateway.guardFile" (dict "name" "tls.clientCa" "from" .Values.tls.clientCa) }}
{{- range $name, $upstream := .Values.upstreams }}
{{- include "tjansteguiden-gateway.guardFile" (dict "name" (printf "upstreams.%s.ca" $name) "from" $upstream.ca) }}
{{- if and (hasPrefix "http:" $upstream.url) (or $upstream.ca $upstream.clientCert $upstream.minTlsVersion) }}
{{- fail (printf "upstreams.%s has ca, clientCert or minTlsVersion, which mean nothing: its url is plain http" $name) }}
{{- end }}
{{- end }}
{{- range $key := list "secret" "previousSecret" }}
{{- $switch := printf "%sInExistingSecret" $key }}
{{- if and $.Values.existingSecret (get $.Values.server $key) }}
{{- fail (printf "existingSecret and server.%s are both set: all secrets must come from one place; set server.%s instead" $key $switch) }}
{{- end }}
{{- if and (get $.Values.server $switch) (not $.Values.existingSecret) }}
{{- fail (printf "server.%s is set, but existingSecret is not" $switch) }}
{{- end }}
{{- end }}
{{- if and (or .Values.server.previousSecret .Values.server.previousSecretInExistingSecret) (not (or .Values.server.secret .Values.server.secretInExistingSecret)) }}
{{- fail "there is a previous server secret, but none after it: set server.secret or server.secretInExistingSecret too" }}
{{- end }}
{{- $request := include "tjansteguiden-gateway.milliseconds" .Values.server.requestTimeout | int64 }}
{{- $delay := include "tjansteguiden-gateway.milliseconds" .Values.server.drainDelay | int64 }}
{{- $drain := include "tjansteguiden-gateway.milliseconds" .Values.server.drainTimeout | int64 }}
{{- if lt $drain $request }}
{{- fail (printf "server.drainTimeout (%s) is shorter than server.requestTimeout (%s): a stopping pod would cut off its last requests" .Values.server.drainTimeout .Values.server.requestTimeout) }}
{{- end }}
{{- if le (mul 1000 (int64 .Values.terminationGracePeriodSeconds)) (add $delay $drain) }}
{{- fail (printf "terminationGracePeriodSeconds (%d) must exceed server.drainDelay + server.drainTimeout (%s + %s): a stopping pod would be killed while it drains" (int64 .Values.terminationGracePeriodSeconds) .Values.server.drainDelay .Values.server.drainTimeout) }}
{{- end }}
{{- end }}

{{- define "tjansteguiden-gateway.guardCallers" -}}
{{- $mode := .Values.auth.mode }}
{{- $several := gt (len .Values.upstreams) 1 }}
{{- if and .Values.auth.clients (ne $mode "api-key") }}
{{- fail (printf "auth.clients is set, but with auth.mode %s no client is known by its key" $mode) }}
{{- end }}
{{- if and .Values.auth.jwt.issuer (ne $mode "jwt") }}
{{- fail (printf "auth.jwt.issuer is set, but with auth.mode %s no token is looked at" $mode) }}
{{- end }}
{{- if and (eq $mode "api-key") (not .Values.auth.clients) }}
{{- fail "auth.mode api-key without auth.clients lets nobody in: keygen makes a key and its hash, for auth.clients.<name>.keySha256" }}
{{- end }}
{{- $owners := dict }}
{{- range $name, $client := .Values.auth.clients }}
{{- if eq (empty $client.keySha256) (empty $client.keySha256From) }}
{{- fail (printf "auth.clients.%s must have one of keySha256 and keySha256From" $name) }}
{{- end }}
{{- include "tjansteguiden-gateway.guardFile" (dict "name" (printf "auth.clients.%s.keySha256From" $name) "from" $client.keySha256From) }}
{{- range $client.keySha256 }}
{{- $owner := get $owners (lower .) | default $name }}
{{- if ne $owner $name }}
{{- fail (printf "auth.clients.%s.keySha256 has a key of %s: keys tell clients apart" $name $owner) }}
{{- end }}
{{- $_ := set $owners (lower .) $name }}
{{- end }}
{{- if and $client.upstream (not (hasKey $.Values.upstreams $client.upstream)) }}
{{- fail (printf "auth.clients.%s.upstream is %s, which is none of upstreams" $name $client.upstream) }}
{{- end }}
{{- if and $several (not $client.upstream) }}
{{- fail (printf "auth.clients.%s.upstream is missing: there are several upstreams, and every client belongs to one" $name) }}
{{- end }}
{{- end }}
{{- if eq $mode "jwt" }}
{{- with .Values.auth.jwt }}
{{- if not .issuer }}
{{- fail "auth.jwt.issuer is missing: who signs the tokens, as their iss says" }}
{{- end }}
{{- if not .audience }}
{{- fail "auth.jwt.audience is missing: whom the tokens must be for, as their aud says" }}
{{- end }}
{{- if and $several (not .upstreamClaim) }}
{{- fail "auth.jwt.upstreamClaim is missing: there are several upstreams, and a token must say which" }}
{{- end }}
{{- include "tjansteguiden-gateway.guardFile" (dict "name" "auth.jwt.ca" "from" .ca) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tjansteguiden-gateway.guardFile" -}}
{{- if and .from (eq (empty .from.existingConfigMap) (empty .from.existingSecret)) }}
{{- fail (printf "%s must name one of existingConfigMap and existingSecret" .name) }}
{{- end }}
{{- end }}

{{/* "25s", "5m" or "500ms" as a number; values.schema.json lets nothing else in. */}}
{{- define "tjansteguiden-gateway.milliseconds" -}}
{{- mul (regexFind "^[0-9]+" .) (get (dict "ms" 1 "s" 1000 "m" 60000) (regexFind "[a-z]+$" .)) -}}
{{- end }}
