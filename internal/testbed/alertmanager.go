package testbed

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// AlertmanagerConfig is how an Alertmanager groups alerts and where it sends them: one route, one webhook.
type AlertmanagerConfig struct {
	// Program is the Alertmanager to start. Empty: the installed one; see [NewerAlertmanager] for another.
	Program string
	// File is a whole configuration file as Alertmanager reads it. What follows, but for Cluster, is not looked at then.
	File string

	// WebhookURL is where notifications go. Empty: nowhere.
	WebhookURL string
	// Bearer, or Username and Password, are sent with every notification.
	Bearer   string
	Username string
	Password string
	// GroupWait, GroupInterval and RepeatInterval are the route's, default 200ms, 1s and 1h.
	GroupWait      time.Duration
	GroupInterval  time.Duration
	RepeatInterval time.Duration
	// GroupBy are the labels that make a group, default alertname. "..." makes each alert its own.
	GroupBy []string
	// MaxAlerts truncates a notification, default 0: never.
	MaxAlerts int

	Cluster
}

// Cluster makes Alertmanagers peers. The zero value is an Alertmanager alone. See [AlertmanagerPair] for the usual two.
type Cluster struct {
	// Listen is where it gossips (host:port), default nowhere.
	Listen string
	// Peers are where its peers gossip. They need not run yet.
	Peers []string
	// PeerTimeout is how long a peer waits for those before it to notify, default 1s. Alertmanager's own is 15s.
	PeerTimeout time.Duration
}

// AM is a running Alertmanager.
type AM struct {
	*Process
	// URL is where it answers, e.g. http://127.0.0.1:20117; Addr the same without a scheme.
	URL  string
	Addr string

	api api
}

// PostableAlert is an alert as Prometheus would post it. With EndsAt zero it resolves after five minutes without another post.
type PostableAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	StartsAt     time.Time         `json:"startsAt,omitzero"`
	EndsAt       time.Time         `json:"endsAt,omitzero"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// Alertmanager starts an Alertmanager and waits until it answers. Peers find each other later.
func Alertmanager(t TB, c AlertmanagerConfig) *AM {
	t.Helper()
	path := c.Program
	if path == "" {
		path = find(t, "prometheus-alertmanager", "prometheus-alertmanager", "alertmanager")
	}
	dir := t.TempDir()
	if err := c.write(filepath.Join(dir, "alertmanager.yml")); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	addr := Addr(t)
	a := &AM{URL: "http://" + addr, Addr: addr, api: newAPI("http://" + addr)}
	args := []string{
		"--config.file=" + filepath.Join(dir, "alertmanager.yml"),
		"--storage.path=" + filepath.Join(dir, "data"),
		"--web.listen-address=" + addr,
	}
	a.Process = Start(t, Command{Name: "alertmanager", Path: path, Dir: dir, Args: append(args, c.flags()...)})
	if err := a.awaitReady(readyWithin, a.api.ready); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	return a
}

// AlertmanagerPair starts two Alertmanagers that are peers, and waits until both see each other. Both get the same
// configuration; its Listen and Peers are filled in.
func AlertmanagerPair(t TB, c AlertmanagerConfig) (first, second *AM) {
	t.Helper()
	one, two := Addr(t), Addr(t)
	c.Listen, c.Peers = one, []string{two}
	first = Alertmanager(t, c)
	c.Listen, c.Peers = two, []string{one}
	second = Alertmanager(t, c)
	for _, a := range []*AM{first, second} {
		if err := a.awaitReady(readyWithin, func() bool { return a.peers() == 2 }); err != nil {
			t.Fatalf("testbed: await the peers: %v", err)
		}
	}
	return first, second
}

// Restart stops it, so that it saves what it notified and what is silenced, and starts it again on that. Call Kill9 before
// it to restart after a crash instead. It returns when the new one answers.
func (a *AM) Restart() error {
	a.Stop()
	if err := a.Start(); err != nil {
		return err
	}
	return a.awaitReady(readyWithin, a.api.ready)
}

// Version is what it says of itself, e.g. "0.25.0".
func (a *AM) Version(ctx context.Context) (string, error) {
	var answer struct {
		VersionInfo struct {
			Version string `json:"version"`
		} `json:"versionInfo"`
	}
	if err := a.api.call(ctx, http.MethodGet, "/api/v2/status", nil, &answer); err != nil {
		return "", fmt.Errorf("ask for the version: %w", err)
	}
	return answer.VersionInfo.Version, nil
}

// Post gives it alerts, as Prometheus does.
func (a *AM) Post(ctx context.Context, alerts ...PostableAlert) error {
	if err := a.api.call(ctx, http.MethodPost, "/api/v2/alerts", alerts, nil); err != nil {
		return fmt.Errorf("post alerts: %w", err)
	}
	return nil
}

// Silence silences the alerts that carry all of the labels for a time from now, and gives the silence's id.
func (a *AM) Silence(ctx context.Context, labels map[string]string, howLong time.Duration) (string, error) {
	type matcher struct {
		Name    string `json:"name"`
		Value   string `json:"value"`
		IsRegex bool   `json:"isRegex"`
		IsEqual bool   `json:"isEqual"`
	}
	now := time.Now()
	silence := struct {
		Matchers  []matcher `json:"matchers"`
		StartsAt  time.Time `json:"startsAt"`
		EndsAt    time.Time `json:"endsAt"`
		CreatedBy string    `json:"createdBy"`
		Comment   string    `json:"comment"`
	}{StartsAt: now, EndsAt: now.Add(howLong), CreatedBy: "testbed", Comment: "silenced by a test"}
	for name, value := range labels {
		silence.Matchers = append(silence.Matchers, matcher{Name: name, Value: value, IsEqual: true})
	}
	var answer struct {
		ID string `json:"silenceID"`
	}
	if err := a.api.call(ctx, http.MethodPost, "/api/v2/silences", silence, &answer); err != nil {
		return "", fmt.Errorf("post silence: %w", err)
	}
	return answer.ID, nil
}

// Unsilence ends a silence.
func (a *AM) Unsilence(ctx context.Context, id string) error {
	if err := a.api.call(ctx, http.MethodDelete, "/api/v2/silence/"+url.PathEscape(id), nil, nil); err != nil {
		return fmt.Errorf("end silence %s: %w", id, err)
	}
	return nil
}

// peers counts the members that it sees, itself included, once the gossip has settled; until then it notifies nobody.
func (a *AM) peers() int {
	var answer struct {
		Cluster struct {
			Status string     `json:"status"`
			Peers  []struct{} `json:"peers"`
		} `json:"cluster"`
	}
	err := a.api.call(context.Background(), http.MethodGet, "/api/v2/status", nil, &answer)
	if err != nil || answer.Cluster.Status != "ready" {
		return 0
	}
	return len(answer.Cluster.Peers)
}

func (c AlertmanagerConfig) write(path string) error {
	if c.File == "" {
		return writeConfig(path, c.file())
	}
	if err := os.WriteFile(path, []byte(c.File), 0o600); err != nil {
		return fmt.Errorf("write alertmanager's configuration: %w", err)
	}
	return nil
}

func (c AlertmanagerConfig) file() map[string]any {
	type object map[string]any
	receiver := object{"name": "testbed"}
	if c.WebhookURL != "" {
		client := object{}
		if c.Bearer != "" {
			client["authorization"] = object{"type": "Bearer", "credentials": c.Bearer}
		}
		if c.Username != "" {
			client["basic_auth"] = object{"username": c.Username, "password": c.Password}
		}
		receiver["webhook_configs"] = []object{{
			"url": c.WebhookURL, "send_resolved": true, "max_alerts": c.MaxAlerts, "http_config": client,
		}}
	}
	groupBy := c.GroupBy
	if len(groupBy) == 0 {
		groupBy = []string{"alertname"}
	}
	return map[string]any{
		"route": object{
			"receiver":        "testbed",
			"group_by":        groupBy,
			"group_wait":      milliseconds(orDefault(c.GroupWait, 200*time.Millisecond)),
			"group_interval":  milliseconds(orDefault(c.GroupInterval, time.Second)),
			"repeat_interval": milliseconds(orDefault(c.RepeatInterval, time.Hour)),
		},
		"receivers": []object{receiver},
	}
}

// flags are the command line of a peer. Gossip is hastened, since Alertmanager waits for some rounds of it before it notifies.
func (c Cluster) flags() []string {
	if c.Listen == "" {
		return []string{"--cluster.listen-address="}
	}
	flags := []string{
		"--cluster.listen-address=" + c.Listen,
		"--cluster.advertise-address=" + c.Listen,
		"--cluster.peer-timeout=" + milliseconds(orDefault(c.PeerTimeout, time.Second)),
		"--cluster.gossip-interval=50ms",
		"--cluster.pushpull-interval=1s",
		"--cluster.reconnect-interval=1s",
		"--cluster.settle-timeout=10s",
	}
	for _, peer := range c.Peers {
		flags = append(flags, "--cluster.peer="+peer)
	}
	return flags
}
