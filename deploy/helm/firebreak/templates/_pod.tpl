{{/* How a probe asks. A server that wants certificates of its clients gets none from the kubelet, so there the program asks itself, with FIREBREAK_SERVER,
FIREBREAK_CA, FIREBREAK_CERT and FIREBREAK_KEY of extraEnv. */}}
{{- define "firebreak.ask" -}}
{{- $tls := dig "server" "tls" dict .policy }}
{{- if $tls.client_ca_file -}}
exec: {command: {{ concat (list "/usr/local/bin/firebreak") .args | toJson }}}
{{- else -}}
httpGet: {path: {{ .path }}, port: http, scheme: {{ if $tls.cert_file }}HTTPS{{ else }}HTTP{{ end }}}
{{- end }}
{{- end }}

{{/* The pod, which is the same in both modes but for its volume. */}}
{{- define "firebreak.pod" -}}
metadata:
  labels: {{- include "firebreak.labels" . | nindent 4 }}
  annotations:
    # Another policy is another pod: it is read once, at the start.
    checksum/policy: {{ include "firebreak.policy" . | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  # It asks the API of Kubernetes nothing.
  automountServiceAccountToken: false
  enableServiceLinks: false
  # Five seconds for requests, and then what is in hand is finished.
  terminationGracePeriodSeconds: 60
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets: {{- range . }}
    - name: {{ . }}{{ end }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: firebreak
      image: {{ include "firebreak.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/firebreak/firebreak.yaml]
      envFrom:
        - secretRef: {name: {{ .Values.secret | quote }}}
      {{- with .Values.extraEnv }}
      env: {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: http, containerPort: 9095, protocol: TCP}
        {{- if and (eq .Values.bus.mode "embedded") .Values.bus.embedded.clients }}
        - {name: nats, containerPort: 4222, protocol: TCP}
        {{- end }}
      # It answers when the bus has read its store: a large one may take minutes.
      startupProbe:
        {{- include "firebreak.ask" (dict "policy" .Values.policy "path" "/healthz" "args" (list "health")) | nindent 8 }}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 180
      livenessProbe:
        {{- include "firebreak.ask" (dict "policy" .Values.policy "path" "/healthz" "args" (list "health")) | nindent 8 }}
        periodSeconds: 20
        timeoutSeconds: 10
        failureThreshold: 3
      # Not ready means that alerts cannot be stored now. Alertmanager tries again.
      readinessProbe:
        {{- include "firebreak.ask" (dict "policy" .Values.policy "path" "/readyz" "args" (list "health" "--ready")) | nindent 8 }}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 2
      resources: {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: policy, mountPath: /etc/firebreak, readOnly: true}
        - {name: tmp, mountPath: /tmp}
        - {name: data, mountPath: /var/lib/firebreak}
        {{- if and (eq .Values.bus.mode "external") .Values.bus.external.credentialsSecret }}
        - {name: nats, mountPath: /etc/firebreak-nats, readOnly: true}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if eq .Values.bus.mode "external" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "firebreak.selector" . | nindent 10 }}
  {{- end }}
  volumes:
    - name: policy
      configMap: {name: {{ include "firebreak.name" . }}}
    - name: tmp
      emptyDir: {sizeLimit: 1Gi}
    {{- if eq .Values.bus.mode "external" }}
    # Nothing is kept here: the bus is elsewhere. It is where the program runs.
    - name: data
      emptyDir: {sizeLimit: 16Mi}
    {{- with .Values.bus.external.credentialsSecret }}
    - name: nats
      secret: {secretName: {{ . | quote }}, defaultMode: 0440}
    {{- end }}
    {{- end }}
    {{- with .Values.extraVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end }}
