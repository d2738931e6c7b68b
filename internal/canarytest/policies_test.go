package canarytest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/policy"
)

// planting is a policy with canaries in it, and where its file is.
type planting struct {
	canaries []canary
	policy   policy.Policy
	// file is the policy, env what its variables are, secrets the folder of the files that it names.
	file, secrets string
	env           map[string]string
}

// forms are what some secrets must look like; all others are letters and digits. Where a secret is an address, the counterparts say to whom.
func forms(to map[string]string) map[string]string {
	return map[string]string{
		"SLACK_BOT": "xoxb-%s", "SLACK_APP": "xapp-1-%s", "PAGERDUTY": "%s000000", "WEBHOOK_SECRET": "key-%s",
		"CHAT_URL":          "generic://" + to["CHAT"] + "/%s?disabletls=yes&template=JSON",
		"SLACK_WEBHOOK_URL": "generic://" + to["HOOKS"] + "/services/T00/B00/%s?disabletls=yes",
		"ARCHIVE_URL":       "postgres://canary_archive:%s@" + to["ARCHIVE"] + "/app?sslmode=disable",
		"HEARTBEAT_URL":     to["HEARTBEAT"] + "/ping/%s?key=x",
		// What need not be a token is not one: these break what is put together without care.
		"PROBE_PASSWORD": `p@ %%41'\"%s/?#:`, "STATS_PASSWORD": `%s' \"=`, "REDIS_PASSWORD": `%s "quoted"`, "AM_PASSWORD": "a:%s:ü",
	}
}

// plant makes a policy of a template, with a canary for each variable that begins with CANARY_. The other variables are to.
func plant(t *testing.T, text string, to map[string]string) planting {
	t.Helper()
	dir := t.TempDir()
	p := planting{env: map[string]string{}, file: filepath.Join(dir, "policy.yaml"), secrets: filepath.Join(dir, "secrets")}
	for name, value := range to {
		p.env[name] = value
		text = strings.ReplaceAll(text, "<"+name+">", value)
	}
	form := forms(to)
	for _, found := range regexp.MustCompile(`\$\{CANARY_([A-Z0-9_]+)\}`).FindAllStringSubmatch(text, -1) {
		variable, name := "CANARY_"+found[1], found[1]
		if p.env[variable] != "" {
			continue
		}
		as := form[name]
		if as == "" {
			as = "%s"
		}
		c := newCanary(name, as)
		p.env[variable] = c.value
		p.canaries = append(p.canaries, c)
	}
	write(t, p.file, text)
	return p
}

// write writes a file that only we read.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatalf("make a folder: %v", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("write %s: %v", filepath.Base(path), err)
	}
}

// value is the secret of a name.
func (p *planting) value(name string) string {
	for _, c := range p.canaries {
		if c.name == name {
			return c.value
		}
	}
	return ""
}

// text is what the policy's file holds.
func (p *planting) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// load reads the policy as the product does.
func (p *planting) load(t *testing.T) {
	t.Helper()
	var err error
	p.policy, err = policy.Load(p.file, func(name string) (string, bool) { v, ok := p.env[name]; return v, ok })
	if err != nil {
		t.Fatalf("the policy of the test is wrong: %v", err)
	}
}

// inFiles is the same template with each secret in a file of its own.
func inFiles(text string) string {
	text = regexp.MustCompile(`(?m)^(\s*(?:- )?)([a-z_]+): \$\{CANARY_([A-Z0-9_]+)\}$`).ReplaceAllString(text, "${1}${2}_file: secrets/${3}")
	return regexp.MustCompile(`bearer_tokens: \["\$\{CANARY_([A-Z0-9_]+)\}"\]`).ReplaceAllString(text, "bearer_token_files: [secrets/$1]")
}

// plantFiles is [plant] with each secret in a file.
func plantFiles(t *testing.T, text string, to map[string]string) planting {
	t.Helper()
	p := plant(t, text, to)
	for _, c := range p.canaries {
		write(t, filepath.Join(p.secrets, c.name), c.value+"\n")
	}
	text = inFiles(p.text(t))
	write(t, p.file, text)
	for _, c := range p.canaries {
		if !strings.Contains(text, "${CANARY_"+c.name+"}") {
			delete(p.env, "CANARY_"+c.name) // it is in its file, and nowhere else
		}
	}
	return p
}

// template reads a policy of testdata.
func template(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
