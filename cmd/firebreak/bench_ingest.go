package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/receiver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

type benchIngestCmd struct {
	Seconds     float64 `help:"How long each cell is loaded, in each round." default:"2"`
	Rounds      int     `help:"Rounds; medians are shown." default:"3"`
	Connections string  `help:"Connections that post at the same time." default:"1,16,64"`
	Alerts      string  `help:"Alerts in each body." default:"1,10,200"`
	Dir         string  `help:"Folder on the disk to measure; the system's temporary folder may be in memory." default:"." type:"path"`
}

// cell is one load: so many connections, so many alerts in each body.
type cell struct{ connections, alerts int }

// measure is what one run of one cell gave.
type measure struct {
	rate     float64 // alerts a second that were answered with 200
	p50, p99 time.Duration
}

// contender is one way to store alerts, behind the same HTTP receiver and decoder.
type contender struct {
	name string
	open func(ctx context.Context, dir string) (*rig, error)
}

// contenders are the two floors, and firebreak last.
func contenders() []contender {
	return []contender{
		{"log file, group fdatasync", openLogFile}, {"JetStream always, one by one", openPlain}, {"firebreak", openFirebreak}}
}

// Run measures every cell with every contender, one after the other in each round, so that all see the same disk.
func (c *benchIngestCmd) Run(a *app) error {
	cells, err := c.cells()
	if err != nil {
		return err
	}
	contenders := contenders()
	results := map[cell]map[string][]measure{}
	far := a.progress("measuring", "runs", int64(c.Rounds*len(cells)*len(contenders)), false)
	defer far.end()
	for range c.Rounds {
		for _, cell := range cells {
			for _, who := range contenders {
				m, err := c.run(a.ctx, who, cell)
				if err != nil {
					return fmt.Errorf("%s, %d connections, %d alerts a body: %w", who.name, cell.connections, cell.alerts, err)
				}
				far.add(1)
				if results[cell] == nil {
					results[cell] = map[string][]measure{}
				}
				results[cell][who.name] = append(results[cell][who.name], m)
			}
		}
	}
	far.end()
	return printIngest(a.stdout, cells, contenders, results)
}

func (c *benchIngestCmd) cells() ([]cell, error) {
	connections, err := numbers("connections", c.Connections, 256)
	if err != nil {
		return nil, err
	}
	alertCounts, err := numbers("alerts", c.Alerts, 1000)
	if err != nil {
		return nil, err
	}
	var out []cell
	for _, conns := range connections {
		for _, n := range alertCounts {
			out = append(out, cell{conns, n})
		}
	}
	return out, nil
}

func (c *benchIngestCmd) run(ctx context.Context, who contender, load cell) (measure, error) {
	dir, err := os.MkdirTemp(c.Dir, "firebreak-bench-")
	if err != nil {
		return measure{}, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	r, err := who.open(ctx, dir)
	if err != nil {
		return measure{}, err
	}
	defer r.close()
	return r.load(ctx, load, time.Duration(c.Seconds*float64(time.Second)))
}

func printIngest(w io.Writer, cells []cell, who []contender, results map[cell]map[string][]measure) error {
	fmt.Fprintln(w, "Alerts a second, stored so that they survive a power cut before they are answered (p50 and p99 of one POST in ms; medians of the rounds).")
	fmt.Fprintln(w, "All three stand behind the same HTTP receiver and decoder; ratio is firebreak to the log file, which is what this disk allows.")
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "connections\talerts/body\t")
	for _, c := range who {
		fmt.Fprintf(t, "%s\tp50\tp99\t", c.name)
	}
	fmt.Fprintln(t, "ratio\t")
	for _, cell := range cells {
		fmt.Fprintf(t, "%d\t%d\t", cell.connections, cell.alerts)
		rates := map[string]float64{}
		for _, c := range who {
			m := medianOf(results[cell][c.name])
			rates[c.name] = m.rate
			fmt.Fprintf(t, "%.0f\t%s\t%s\t", m.rate, millis(m.p50), millis(m.p99))
		}
		fmt.Fprintf(t, "%.2f\t\n", rates[who[len(who)-1].name]/rates[who[0].name])
	}
	return t.Flush()
}

func medianOf(ms []measure) measure {
	var rates, p50s, p99s []float64
	for _, m := range ms {
		rates = append(rates, m.rate)
		p50s = append(p50s, float64(m.p50))
		p99s = append(p99s, float64(m.p99))
	}
	return measure{rate: median(rates), p50: time.Duration(median(p50s)), p99: time.Duration(median(p99s))}
}

// rig is one contender, running behind the real receiver on a free port.
type rig struct {
	addr   string
	closes []func()
}

func (r *rig) close() {
	for i := len(r.closes) - 1; i >= 0; i-- {
		r.closes[i]()
	}
}

// serve puts the receiver in front of a journal.
func (r *rig) serve(j receiver.Journal) error {
	hook := receiver.NewWebhook(receiver.Config{Journal: j, MaxBody: 16 << 20, StoreTimeout: 30 * time.Second,
		Metrics: receiver.NewMetrics(prometheus.NewRegistry()), Log: zerolog.Nop()})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	srv := &http.Server{Handler: receiver.Routes{Webhook: hook}, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }() // returns when it is closed
	r.addr = l.Addr().String()
	r.closes = append(r.closes, func() { _ = srv.Close() })
	return nil
}

func openFirebreak(ctx context.Context, dir string) (*rig, error) {
	b, err := bus.Open(ctx, bus.Config{Dir: dir, Log: zerolog.Nop()})
	if err != nil {
		return nil, err
	}
	r := &rig{closes: []func(){b.Close}}
	j := b.Journal()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = j.Run(ctx) }() // it returns nil when it was told to end
	r.closes = append(r.closes, func() { cancel(); <-done })
	return r, r.serve(j)
}

func openPlain(ctx context.Context, dir string) (*rig, error) {
	b, err := bus.Open(ctx, bus.Config{Dir: dir, Log: zerolog.Nop()})
	if err != nil {
		return nil, err
	}
	r := &rig{closes: []func(){b.Close}}
	return r, r.serve(plainJournal{b.JetStream()})
}

func openLogFile(ctx context.Context, dir string) (*rig, error) {
	f, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, fmt.Errorf("create the log file: %w", err)
	}
	j := newLogFile(f)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); j.run(ctx) }()
	r := &rig{closes: []func(){func() { _ = f.Close() }, func() { cancel(); <-done }}}
	return r, r.serve(j)
}
