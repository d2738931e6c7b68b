package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// PrometheusConfig is what a Prometheus scrapes, evaluates and alerts.
type PrometheusConfig struct {
	// ScrapeTargets are the addresses (host:port, path /metrics) of each job.
	ScrapeTargets map[string][]string
	// Targets are more of them, each with labels of its own.
	Targets []ScrapeTarget
	// Rules is a rules file as Prometheus reads it, in YAML. Empty: none.
	Rules string
	// RuleFiles are more rules files, by their names.
	RuleFiles map[string]string
	// Alertmanagers are the addresses (host:port) that alerts are sent to.
	Alertmanagers []string
	// Interval is how often targets are scraped and rules evaluated, default 1s.
	Interval time.Duration
	// Resend is how often a firing alert is sent again, default 5s. Alertmanager calls an alert resolved when four times
	// this passed without it, so a short one makes a slow machine lie.
	Resend time.Duration
}

// ScrapeTarget is one address that Prometheus scrapes, with what it says of everything from there.
type ScrapeTarget struct {
	Job, Addr string
	Labels    map[string]string
	// Bearer is presented there, unless it is empty.
	Bearer string
}

// Prom is a running Prometheus.
type Prom struct {
	*Process
	// URL is where it answers, e.g. http://127.0.0.1:20117; Addr the same without a scheme.
	URL  string
	Addr string

	api api
}

// Sample is one value that a query gave.
type Sample struct {
	Labels map[string]string
	Value  float64
	At     time.Time
}

// Prometheus starts a Prometheus and waits until it answers.
func Prometheus(t TB, c PrometheusConfig) *Prom {
	t.Helper()
	path := find(t, "prometheus", "prometheus")
	dir := t.TempDir()
	if err := c.write(dir); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	addr := Addr(t)
	p := &Prom{URL: "http://" + addr, Addr: addr, api: newAPI("http://" + addr)}
	p.Process = Start(t, Command{Name: "prometheus", Path: path, Dir: dir, Args: []string{
		"--config.file=" + filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path=" + filepath.Join(dir, "data"),
		"--web.listen-address=" + addr,
		"--rules.alert.resend-delay=" + milliseconds(orDefault(c.Resend, 5*time.Second)),
	}})
	if err := p.awaitReady(readyWithin, p.api.ready); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	return p
}

// Restart stops it and starts it again on the same data, and returns when it answers.
func (p *Prom) Restart() error {
	p.Stop()
	if err := p.Start(); err != nil {
		return err
	}
	return p.awaitReady(readyWithin, p.api.ready)
}

// Query evaluates an expression now. A scalar is one sample without labels.
func (p *Prom) Query(ctx context.Context, expr string) ([]Sample, error) {
	var answer struct {
		Data struct {
			ResultType string          `json:"resultType"`
			Result     json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := p.api.call(ctx, http.MethodGet, "/api/v1/query?query="+url.QueryEscape(expr), nil, &answer); err != nil {
		return nil, fmt.Errorf("query %s: %w", expr, err)
	}
	samples, err := decodeSamples(answer.Data.ResultType, answer.Data.Result)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", expr, err)
	}
	return samples, nil
}

// point is how Prometheus writes a value: [seconds, "value"].
type point [2]json.RawMessage

func (p point) sample(labels map[string]string) (Sample, error) {
	var seconds float64
	if err := json.Unmarshal(p[0], &seconds); err != nil {
		return Sample{}, fmt.Errorf("decode time: %w", err)
	}
	var text string
	if err := json.Unmarshal(p[1], &text); err != nil {
		return Sample{}, fmt.Errorf("decode value: %w", err)
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return Sample{}, fmt.Errorf("decode value: %w", err)
	}
	return Sample{Labels: labels, Value: value, At: time.UnixMilli(int64(seconds * 1000))}, nil
}

func decodeSamples(kind string, result json.RawMessage) ([]Sample, error) {
	type series struct {
		Metric map[string]string `json:"metric"`
		Value  point             `json:"value"`
	}
	var all []series
	switch kind {
	case "scalar":
		all = make([]series, 1)
		if err := json.Unmarshal(result, &all[0].Value); err != nil {
			return nil, fmt.Errorf("decode scalar: %w", err)
		}
	case "vector":
		if err := json.Unmarshal(result, &all); err != nil {
			return nil, fmt.Errorf("decode vector: %w", err)
		}
	default:
		return nil, fmt.Errorf("result is a %q: only scalars and vectors are understood", kind)
	}
	samples := make([]Sample, 0, len(all))
	for _, s := range all {
		sample, err := s.Value.sample(s.Metric)
		if err != nil {
			return nil, err
		}
		samples = append(samples, sample)
	}
	return samples, nil
}

func (c PrometheusConfig) write(dir string) error {
	interval := milliseconds(orDefault(c.Interval, time.Second))
	type object map[string]any
	scrapes := []object{}
	for job, targets := range c.ScrapeTargets {
		scrapes = append(scrapes, object{"job_name": job, "static_configs": []object{{"targets": targets}}})
	}
	for i, target := range c.Targets {
		// One scrape configuration each, since names of jobs may not be given twice: the label says the job.
		labels := object{"job": target.Job}
		for name, value := range target.Labels {
			labels[name] = value
		}
		scrape := object{"job_name": target.Job + "-" + strconv.Itoa(i), "static_configs": []object{{"targets": []string{target.Addr}, "labels": labels}}}
		if target.Bearer != "" {
			scrape["authorization"] = object{"credentials": target.Bearer}
		}
		scrapes = append(scrapes, scrape)
	}
	config := object{
		"global":         object{"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
		"scrape_configs": scrapes,
	}
	if len(c.Alertmanagers) > 0 {
		config["alerting"] = object{"alertmanagers": []object{{"static_configs": []object{{"targets": c.Alertmanagers}}}}}
	}
	files := []string{}
	for name, text := range c.rules() {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write rules: %w", err)
		}
		files = append(files, file)
	}
	config["rule_files"] = files
	return writeConfig(filepath.Join(dir, "prometheus.yml"), config)
}

// rules are all rules files, by their names.
func (c PrometheusConfig) rules() map[string]string {
	all := map[string]string{}
	if c.Rules != "" {
		all["rules.yml"] = c.Rules
	}
	maps.Copy(all, c.RuleFiles)
	return all
}
