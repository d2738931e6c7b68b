package httpadmin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/httpadmin/bounds"
)

const (
	// Name is what a [remediations.Step] calls this remediation.
	Name = bounds.Name
	// MaxOpen is the longest that an edge may be held open, renewals included, MaxGrown that a pool may be larger; MaxLimit is that of the
	// other fixes.
	MaxOpen  = bounds.MaxOpen
	MaxGrown = bounds.MaxGrown
	MaxLimit = bounds.MaxLimit

	fixOpen   = bounds.FixOpen
	fixBudget = "retry_budget"
	fixShed   = "shed"
	fixDrain  = bounds.FixDrain
	fixGrow   = bounds.FixGrow
	// defaultTimeout bounds one command of an order that names no timeout.
	defaultTimeout = 5 * time.Second
)

// ErrCannotAdjust is what Adjust returns for a fix whose control has no adjust request. Nothing was changed.
var ErrCannotAdjust = fmt.Errorf("%w: this control cannot be adjusted", remediations.ErrRefused)

// Config is which endpoints there are.
type Config struct {
	// Edges are the endpoints of each edge by "<service>/<edge>", Nodes those of each node or pool of a cluster by "<cluster>/<node>".
	// No name is in both.
	Edges, Nodes map[string]policy.HTTPFix
	// Client sends the commands. Nil: one with the defaults. Its CheckRedirect is not used: redirects are not followed.
	Client *http.Client
}

// Admin knows the endpoints of all edges and nodes.
type Admin struct {
	targets map[string]*target // by the place of a step
	places  bounds.Places      // the same places, with what bounds say
}

// target is one edge or node.
type target struct {
	// where names it and nothing else.
	where      remediations.Step
	instances  []instance
	controls   map[string]control
	bearer     policy.Secret
	bearerFile string
	client     *http.Client
}

// instance is one copy of the service. Its name is its URL without credentials.
type instance struct {
	base string
	name string
}

// New checks the whole configuration: every template is tried out, and every problem is said.
func New(cfg Config) (*Admin, error) {
	client := http.Client{}
	if cfg.Client != nil {
		client = *cfg.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a := &Admin{targets: map[string]*target{}, places: bounds.New(cfg.Edges, cfg.Nodes)}
	var problems []error
	add := func(name string, fix policy.HTTPFix, where func(group, one string) remediations.Step) {
		t, err := newTarget(name, fix, where, &client)
		if _, twice := a.targets[name]; twice {
			err = errors.New("is an edge and a node")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("read endpoints of %s: %w", name, err))
			return
		}
		a.targets[name] = t
	}
	for name, fix := range cfg.Edges {
		add(name, fix, func(service, edge string) remediations.Step { return remediations.Step{Service: service, Edge: edge} })
	}
	for name, fix := range cfg.Nodes {
		add(name, fix, func(cluster, node string) remediations.Step { return remediations.Step{Cluster: cluster, Node: node} })
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return a, nil
}

func newTarget(name string, fix policy.HTTPFix, where func(group, one string) remediations.Step, client *http.Client) (*target, error) {
	group, one, ok := strings.Cut(name, "/")
	if !ok || !plain(group) || !plain(one) {
		return nil, errors.New(`name is not "<service>/<edge>" or "<cluster>/<node>"`)
	}
	if len(fix.Instances) == 0 {
		return nil, errors.New("no instances")
	}
	if len(fix.Controls) == 0 {
		return nil, errors.New("no controls")
	}
	t := &target{where: where(group, one), controls: map[string]control{}, bearer: fix.BearerToken,
		bearerFile: fix.BearerTokenFile, client: client}
	for _, raw := range fix.Instances {
		i, err := newInstance(raw)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(t.instances, func(other instance) bool { return other.base == i.base }) {
			return nil, fmt.Errorf("instance %s is named twice", i.name)
		}
		t.instances = append(t.instances, i)
	}
	for kind, c := range fix.Controls {
		compiled, err := newControl(t, kind, c)
		if err != nil {
			return nil, fmt.Errorf("control %s: %w", kind, err)
		}
		t.controls[kind] = compiled
	}
	return t, nil
}

// plain says that a name is no path of its own.
func plain(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/\\?#%")
}

func newInstance(raw string) (instance, error) {
	u, err := url.Parse(raw)
	// The error of Parse would repeat the URL with its password.
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return instance{}, errors.New("an instance is not an http or https URL without query")
	}
	base := strings.TrimRight(u.String(), "/")
	u.User = nil
	return instance{base: base, name: strings.TrimRight(u.String(), "/")}, nil
}

// token is the bearer token as it is now; a file is read each time, since tokens rotate.
func (t *target) token() (string, error) {
	if t.bearer != "" || t.bearerFile == "" {
		return t.bearer.Reveal(), nil
	}
	b, err := os.ReadFile(t.bearerFile)
	if err != nil {
		return "", fmt.Errorf("read bearer token: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
