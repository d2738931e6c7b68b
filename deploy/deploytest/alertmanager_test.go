package deploytest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/firebreak-sre/firebreak/alerts/runbooks"
)

// amConfig is what matters here of a configuration of Alertmanager.
type amConfig struct {
	Receivers []amReceiver
}

type amReceiver struct {
	Name     string
	Webhooks []amWebhook `yaml:"webhook_configs"`
}

type amWebhook struct {
	URL          string `yaml:"url"`
	SendResolved *bool  `yaml:"send_resolved"`
	MaxAlerts    *int   `yaml:"max_alerts"`
	HTTP         struct {
		FollowRedirects *bool `yaml:"follow_redirects"`
		Authorization   struct {
			CredentialsFile string `yaml:"credentials_file"`
		}
	} `yaml:"http_config"`
}

// Alertmanager loads the files, and sends all of every alert, with a token, to a path that does not redirect.
func TestAlertmanagerConfig(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"../alertmanager/alertmanager.yml", "../compose/alertmanager.yml"} {
		if out := runs(t, tool(t, "amtool", "prometheus-alertmanager"), "check-config", file); !strings.Contains(out, "SUCCESS") {
			t.Errorf("amtool says:\n%s", out)
		}
		var c amConfig
		unmarshal(t, file, &c)
		i := slices.IndexFunc(c.Receivers, func(r amReceiver) bool { return r.Name == "firebreak" })
		if i < 0 || len(c.Receivers[i].Webhooks) != 1 {
			t.Fatalf("%s has no receiver with one webhook: %+v", file, c.Receivers)
		}
		w := c.Receivers[i].Webhooks[0]
		for what, ok := range map[string]bool{
			"posts to the webhook":     strings.HasSuffix(w.URL, ":9095/webhook"),
			"sends resolves":           w.SendResolved != nil && *w.SendResolved,
			"sends all alerts":         w.MaxAlerts != nil && *w.MaxAlerts == 0,
			"follows nobody":           w.HTTP.FollowRedirects != nil && !*w.HTTP.FollowRedirects,
			"presents a token of ours": w.HTTP.Authorization.CredentialsFile != "",
		} {
			if !ok {
				t.Errorf("%s: it is not so that it %s: %+v", file, what, w)
			}
		}
	}
}

// Each alert goes where it should.
func TestAlertmanagerRoutes(t *testing.T) {
	t.Parallel()
	amtool := tool(t, "amtool", "prometheus-alertmanager")
	answered := map[string]bool{}
	for _, row := range runbooks.Rows() {
		answered[row.Alert] = row.Handler != ""
	}
	for _, alert := range alertsOfRules(t) {
		want := "people"
		switch {
		case alert == "Watchdog":
			want = "firebreak"
		case answered[alert], strings.HasPrefix(alert, "PostgreSQL"), strings.HasPrefix(alert, "PgBouncer"): // the whole family, by its name
			want = "firebreak,people"
		}
		runs(t, amtool, "config", "routes", "test", "--config.file=../alertmanager/alertmanager.yml", "--verify.receivers="+want, "alertname="+alert)
	}
}

// alertsOfRules are the names of all alerts that the project's rules can fire.
func alertsOfRules(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../alerts/rules/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.yaml") || strings.HasSuffix(file, "_queries.yaml") {
			continue
		}
		var rules struct {
			Groups []struct {
				Rules []struct{ Alert string }
			}
		}
		unmarshal(t, file, &rules)
		for _, group := range rules.Groups {
			for _, rule := range group.Rules {
				if rule.Alert != "" {
					names = append(names, rule.Alert)
				}
			}
		}
	}
	if len(names) < 10 {
		t.Fatalf("only %d alerts were found", len(names))
	}
	return names
}

// unmarshal reads YAML.
func unmarshal(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
}
