package hold_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/examples/diskfull/hold"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/remediationtest"
)

// job is a batch job that can be held: a real server that keeps to the protocol, with hands for the suite.
type job struct {
	mu       sync.Mutex // guards everything below
	action   string
	until    time.Time
	revision uint64
	effects  int
	ahead    time.Duration // how far its clock is ahead of ours
	mute     bool
}

// The hold keeps to what every fix must, against a job over HTTP.
func TestConformance(t *testing.T) {
	t.Parallel()
	remediationtest.Run(t, func(t *testing.T) remediationtest.Target {
		j := &job{}
		server := httptest.NewServer(j)
		t.Cleanup(server.Close)
		return remediationtest.Target{
			Remediation: hold.New(map[string]string{"export/scratch": server.URL}, server.Client()),
			Step: remediations.Step{Remediation: "hold", Service: "export", Edge: "scratch", Fix: "hold_job", TTL: policy.Duration(time.Minute),
				Limit: policy.Duration(time.Minute), Timeout: policy.Duration(5 * time.Second), Reason: "a test"},
			Standing: func() (action string) { j.do(func() { action = j.standing() }); return action },
			Effects:  func() (n int) { j.do(func() { n = j.effects }); return n },
			Stranger: func() { j.do(func() { j.put(remediationtest.Stranger, j.now().Add(time.Hour)) }) },
			Expire:   func() { j.do(func() { j.ahead += 2 * time.Minute }) },
			Mute: func(do func()) {
				j.do(func() { j.mute = true })
				defer j.do(func() { j.mute = false })
				do()
			},
		}
	})
}

// A place that nobody has named is not within any bounds, and nothing is sent there.
func TestUnknownPlace(t *testing.T) {
	t.Parallel()
	h := hold.New(map[string]string{"export/scratch": "http://127.0.0.1:1"}, http.DefaultClient)
	if b := h.Bounds(remediations.Step{Service: "export", Edge: "data"}); b.Class != remediations.ClassN {
		t.Errorf("got %+v, want class N", b)
	}
}

func (j *job) do(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f()
}

func (j *job) now() time.Time { return time.Now().Add(j.ahead) }

// standing is whose hold is in force: one that is over is none.
func (j *job) standing() string {
	if !j.now().Before(j.until) {
		return ""
	}
	return j.action
}

func (j *job) put(action string, until time.Time) {
	j.action, j.until, j.revision, j.effects = action, until, j.revision+1, j.effects+1
}

func (j *job) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var asked struct {
		Action          string
		Until, Deadline time.Time
	}
	if r.Method == http.MethodPut && json.NewDecoder(r.Body).Decode(&asked) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch matches := r.Header.Get("If-Match") == strconv.FormatUint(j.revision, 10); {
	case r.Method == http.MethodGet:
	case !matches:
		w.WriteHeader(http.StatusPreconditionFailed)
		return
	case r.Method == http.MethodDelete:
		j.action, j.revision = "", j.revision+1
	case r.Method == http.MethodPut && j.standing() == "" && j.now().Before(asked.Deadline):
		j.put(asked.Action, asked.Until)
	default:
		w.WriteHeader(http.StatusConflict)
		return
	}
	if j.mute {
		panic(http.ErrAbortHandler) // it took effect, and nobody hears of it
	}
	answer := map[string]any{"action": j.standing(), "revision": j.revision}
	if j.standing() != "" {
		answer["until"] = j.until
	}
	_ = json.NewEncoder(w).Encode(answer)
}
