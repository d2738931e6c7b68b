package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/console"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/kpi"
)

type kpiCmd struct {
	server
	Since      back   `help:"How far back, such as 30d or 24h." default:"30d" placeholder:"SPAN"`
	Handler    string `help:"Only this handler's incidents." placeholder:"NAME"`
	JSON       bool   `help:"One JSON object." xor:"form"`
	Prometheus bool   `help:"The text format of Prometheus, e.g. for its textfile collector." xor:"form"`
}

// Help is what "firebreak kpi --help" teaches.
func (c *kpiCmd) Help() string {
	return `Reads all records since then and says for each handler: how many incidents there were, how long detection, mitigation and recovery
took (half of them, 95 of 100, and the worst) beside the targets of its runbook, how often a change fixed the fault (with the 95 %
interval of Wilson, which is honest for few), how long people took to approve, what was refused, and how incidents ended.

An incident counts by when it was opened; one that was opened before is left out, and counted. Spans begin when the alert began to
fire: the alert rule's own waiting lies before that. MET and MISSED can be more than COUNT: what took too long and was not over is
missed, and has no length yet. The server can only tell what its bus still keeps.`
}

// Run prints the figures, once all records are read: half of them would be wrong ones.
func (c *kpiCmd) Run(a *app) error {
	until := time.Now()
	query := url.Values{"since": {time.Duration(c.Since).String()}}
	if c.Handler != "" {
		query.Set("handler", c.Handler)
	}
	body, err := c.get(a.ctx, "/api/v1/records", query)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	all := kpi.New()
	far := a.progress("reading records", "messages", 0, c.JSON)
	defer far.end()
	err = eachLine(body, func(m console.Stored, _ []byte) error {
		far.add(1)
		id, err := incidents.IDOfSubject(m.Subject)
		if err != nil || m.Error != "" {
			all.Unread()
			return nil
		}
		all.Add(id, m.Events)
		return nil
	})
	if err != nil {
		return err
	}
	far.end()
	r := all.Report(until.Add(-time.Duration(c.Since)), until)
	switch {
	case c.JSON:
		return json.NewEncoder(a.stdout).Encode(r)
	case c.Prometheus:
		return r.Prometheus(a.stdout)
	}
	return r.Table(a.stdout)
}

// back is how far to go back: a duration, or a number of days such as 30d.
type back time.Duration

var errBack = errors.New("write how far back, such as 30d or 24h")

// UnmarshalText reads what people write.
func (b *back) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil || n > math.MaxInt64/uint64(24*time.Hour) {
			return fmt.Errorf("%q: %w", s, errBack)
		}
		*b = back(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return fmt.Errorf("%q: %w", s, errBack)
	}
	*b = back(d)
	return nil
}
