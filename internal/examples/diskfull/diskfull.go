// Package diskfull is an example of a failure family, as small as one can be: a disk that a batch job fills. It is not part of the product; it
// shows what a family has to say, and docs/extending.md walks through it.
//
//	looks ──▶ is it filling? ──▶ act (hold the job), page, wait, or false positive      Decide
//	looks before and after ──▶ has it stopped filling?                                  Judge
//
// This package only thinks. Package probe, below it, looks; package hold is the fix.
package diskfull

import (
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/policy"
)

// Name is the handler's name in subjects and in the ids of its incidents.
const Name = "diskfull"

// Volume is one disk and the job that writes to it. In the product it would be a section of the policy.
type Volume struct {
	// Job writes to Disk; together they are the target's name, "export/scratch".
	Job  string
	Disk string
	// URL is where the job tells how full the disk is.
	URL string
	// Mode says whether something may be changed here; empty is observe.
	Mode policy.Mode
	// Allow are the fixes that may be made here. Empty: none.
	Allow []string
}

// Name is the volume's name as a target.
func (v Volume) Name() string { return v.Job + "/" + v.Disk }

// Observation is one look at a volume. It is recorded as JSON, so that every decision can be derived again.
type Observation struct {
	FreeBytes  uint64 `json:"free_bytes"`
	TotalBytes uint64 `json:"total_bytes"`
	// Problem says why nothing was read; then the numbers mean nothing.
	Problem string `json:"problem,omitempty"`
}

// Handler thinks about full disks. It holds nothing but what the policy says.
type Handler struct{ volumes []Volume }

var _ think.Thinker[Observation] = (*Handler)(nil)

// New is a handler for some volumes.
func New(volumes ...Volume) *Handler { return &Handler{volumes: slices.Clone(volumes)} }

// Name is "diskfull".
func (h *Handler) Name() string { return Name }

// Target says which volume an alert is about, by its labels job and disk. An alert about anything else is none of ours.
func (h *Handler) Target(a alerts.Alert) (think.Target, bool) {
	if a.Name() != "DiskFilling" {
		return think.Target{}, false
	}
	v, ok := h.Volume(a.Labels["job"] + "/" + a.Labels["disk"])
	return target(v), ok
}

// Targets are all volumes, whether anything is wrong there or not.
func (h *Handler) Targets() []think.Target {
	var all []think.Target
	for _, v := range h.volumes {
		all = append(all, target(v))
	}
	return all
}

// Volume is the one of a target's name; false if there is none.
func (h *Handler) Volume(name string) (Volume, bool) {
	i := slices.IndexFunc(h.volumes, func(v Volume) bool { return v.Name() == name })
	if i < 0 {
		return Volume{}, false
	}
	return h.volumes[i], true
}

func target(v Volume) think.Target {
	t := think.Target{Name: v.Name(), Domain: v.Job, Mode: v.Mode}
	if t.Mode == "" {
		t.Mode = policy.Observe
	}
	return t
}

// The numbers of the rules. In the product they would be thresholds of the policy.
const (
	// tight is the share of the disk below which it matters at all.
	tight = 0.1
	// every is the time between two looks, stale how old the last one may be.
	every = 5 * time.Second
	stale = 3 * every
	// within is how long an effect is looked for, and held how long the job is held at most.
	within = time.Minute
	held   = 5 * time.Minute
)
