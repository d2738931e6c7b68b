{{- define "firebreak.name" -}}
{{- if contains "firebreak" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-firebreak" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "firebreak.selector" -}}
app.kubernetes.io/name: firebreak
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "firebreak.labels" -}}
{{ include "firebreak.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "firebreak.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The policy of the values, with what the chart alone knows. */}}
{{- define "firebreak.policy" -}}
{{- $policy := deepCopy .Values.policy }}
{{- $server := $policy.server | default dict }}
{{- $bus := $policy.bus | default dict }}
{{- if hasKey $server "listen" }}{{ fail "policy.server.listen is the chart's: take it out" }}{{ end }}
{{- $theirs := list "data" "url" "listen" "credentials_file" "replicas" }}
{{- if .Values.bus.embedded.clients }}{{ $theirs = concat $theirs (list "token" "token_file") }}{{ end }}
{{- range $key := $theirs }}
{{- if hasKey $bus $key }}{{ fail (printf "policy.bus.%s is the chart's: take it out, and say bus.mode" $key) }}{{ end }}
{{- end }}
{{- $_ := set $server "listen" ":9095" }}
{{- /* Without certificates of its own a pod is reached in the clear: by those whom the NetworkPolicy lets, over what the cluster's network encrypts. */}}
{{- if not (hasKey ($server.tls | default dict) "cert_file") }}
{{- $_ := set $server "allow_plain" true }}
{{- end }}
{{- if eq .Values.bus.mode "embedded" }}
{{- $_ := set $bus "data" "/var/lib/firebreak" }}
{{- if .Values.bus.embedded.clients }}
{{- $_ := set $bus "listen" ":4222" }}
{{- $_ := set $bus "token" "${FIREBREAK_NATS_TOKEN}" }}
{{- if not (hasKey ($bus.tls | default dict) "cert_file") }}
{{- $_ := set $bus "allow_plain" true }}
{{- end }}
{{- end }}
{{- else }}
{{- $_ := set $bus "url" .Values.bus.external.url }}
{{- $_ := set $bus "replicas" (int .Values.bus.external.copies) }}
{{- if .Values.bus.external.credentialsSecret }}
{{- $_ := set $bus "credentials_file" "/etc/firebreak-nats/firebreak.creds" }}
{{- end }}
{{- end }}
{{- $_ := set $policy "server" $server }}
{{- $_ := set $policy "bus" $bus }}
{{- toYaml $policy }}
{{- end }}
