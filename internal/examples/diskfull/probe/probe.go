// Package probe looks at the volumes of the example, and only looks.
package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/internal/examples/diskfull"
)

// Probe asks jobs how full their disks are.
type Probe struct {
	handler *diskfull.Handler
	client  *http.Client
}

var _ handlers.Prober[diskfull.Observation] = (*Probe)(nil)

// New looks at the volumes that a handler knows.
func New(h *diskfull.Handler, client *http.Client) *Probe { return &Probe{handler: h, client: client} }

// largest is more than any answer has, in bytes.
const largest = 4 << 10

// Observe asks the job of a target. What it could not read it says, in the observation too: an answer without numbers is not an empty disk.
func (p *Probe) Observe(ctx context.Context, target string) (diskfull.Observation, error) {
	o, err := p.observe(ctx, target)
	if err != nil {
		return diskfull.Observation{Problem: err.Error()}, fmt.Errorf("look at %s: %w", target, err)
	}
	return o, nil
}

func (p *Probe) observe(ctx context.Context, target string) (diskfull.Observation, error) {
	var o diskfull.Observation
	v, ok := p.handler.Volume(target)
	if !ok {
		return o, fmt.Errorf("no such volume")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.URL+"/disk", nil)
	if err != nil {
		return o, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return o, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return o, fmt.Errorf("answered %s", resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, largest)).Decode(&o); err != nil {
		return o, fmt.Errorf("decode answer: %w", err)
	}
	if o.TotalBytes == 0 || o.FreeBytes > o.TotalBytes {
		return o, fmt.Errorf("answered %d free of %d bytes, which cannot be", o.FreeBytes, o.TotalBytes)
	}
	return o, nil
}
