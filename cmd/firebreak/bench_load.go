package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
)

// load posts bodies over so many connections, each as fast as it is answered, and counts what was answered with 200.
func (r *rig) load(ctx context.Context, c cell, d time.Duration) (measure, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var wg sync.WaitGroup
	times := make([]latencies, c.connections)
	errs := make([]error, c.connections)
	begun := time.Now()
	for i := range c.connections {
		request, err := postRequest(i, c.alerts)
		if err != nil {
			return measure{}, err
		}
		wg.Go(func() { times[i], errs[i] = post(ctx, r.addr, request) })
	}
	wg.Wait()
	took := time.Since(begun)
	var all latencies
	for i := range times {
		if errs[i] != nil {
			return measure{}, errs[i]
		}
		all = append(all, times[i]...)
	}
	all.sorted()
	return measure{rate: float64(len(all)*c.alerts) / took.Seconds(), p50: all.at(.5), p99: all.at(.99)}, nil
}

// post writes the same request again and again on one connection, and waits for each answer.
func post(ctx context.Context, addr string, request []byte) (latencies, error) {
	c, err := dial(addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var out latencies
	for ctx.Err() == nil {
		begun := time.Now()
		if err := c.post(request); err != nil {
			return nil, err
		}
		out = append(out, time.Since(begun))
	}
	return out, nil
}

// poster is one kept connection. It costs less than a client of the library, so that the load leaves the machine to what is measured.
type poster struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(addr string) (*poster, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &poster{conn: conn, in: bufio.NewReader(conn)}, nil
}

func (p *poster) close() { _ = p.conn.Close() }

// post writes one request, waits for its answer, and wants a 200.
func (p *poster) post(request []byte) error {
	if _, err := p.conn.Write(request); err != nil {
		return fmt.Errorf("post: %w", err)
	}
	resp, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}

// postRequest is one request as Alertmanager writes it, byte for byte.
func postRequest(sender, n int) ([]byte, error) {
	alerts := make([]map[string]any, n)
	for i := range alerts {
		alerts[i] = benchAlert(sender*n+i, map[string]string{})
	}
	return httpPost(alerts)
}

func httpPost(alerts []map[string]any) ([]byte, error) {
	body, err := json.Marshal(map[string]any{"receiver": "firebreak", "status": "firing", "alerts": alerts, "version": "4",
		"groupLabels": map[string]string{"cluster": "prod-eu-1"}, "commonLabels": map[string]string{"cluster": "prod-eu-1", "severity": "critical"},
		"commonAnnotations": map[string]string{}, "externalURL": "http://alertmanager.example:9093",
		"groupKey": `{}/{team="payments"}:{cluster="prod-eu-1"}`, "truncatedAlerts": 0})
	if err != nil {
		return nil, fmt.Errorf("write a body: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /webhook HTTP/1.1\r\nHost: firebreak\r\nUser-Agent: Alertmanager/0.31.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body))
	b.Write(body)
	return b.Bytes(), nil
}

// benchAlert is an alert of about 1.8 kB, like those of kube-prometheus with a runbook and a description.
func benchAlert(i int, labels map[string]string) map[string]any {
	all := map[string]string{"alertname": "KubePodCrashLooping", "cluster": "prod-eu-1", "container": "checkout", "endpoint": "http-metrics",
		"instance": fmt.Sprintf("10.32.%d.%d:8080", i/250, i%250), "job": "kube-state-metrics", "namespace": "payments",
		"pod": fmt.Sprintf("checkout-7d9f8b6c5d-%05d", i), "prometheus": "monitoring/k8s", "reason": "CrashLoopBackOff",
		"service": "prometheus-kube-state-metrics", "severity": "critical", "team": "payments", "uid": "0d1f2a3b-4c5d-6e7f-8091-a2b3c4d5e6f7"}
	set := model.LabelSet{}
	for k, v := range labels {
		all[k] = v
	}
	for k, v := range all {
		set[model.LabelName(k)] = model.LabelValue(v)
	}
	return map[string]any{"status": "firing", "labels": all,
		"annotations": map[string]string{
			"summary":     "Pod is crash looping.",
			"description": strings.Repeat("Pod payments/checkout is in waiting state (reason: CrashLoopBackOff) on cluster prod-eu-1. ", 8),
			"runbook_url": "https://runbooks.example/runbooks/kubernetes/kubepodcrashlooping"},
		"startsAt": time.Now().Add(-time.Minute).UTC(), "endsAt": "0001-01-01T00:00:00Z",
		"generatorURL": "http://prometheus.example:9090/graph?g0.expr=max_over_time%28kube_pod_container_status_waiting_reason%7Breason%3D%22CrashLoopBackOff%22%7D%5B5m%5D%29+%3E%3D+1&g0.tab=1",
		"fingerprint":  set.Fingerprint().String()}
}
