package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
)

type serveCmd struct {
	Config string `help:"Policy file. Without one: safe defaults, on loopback, every handler only observes." type:"path" placeholder:"FILE"`
	Listen string `help:"Address to listen on, instead of the policy's. 127.0.0.1:0 takes any free port." placeholder:"ADDR"`
	Data   string `help:"Folder of the embedded bus, instead of the policy's (default ./firebreak-data)." type:"path" placeholder:"DIR"`
	// Handlers splits the work over processes that share one NATS.
	Handlers []string `help:"Handlers that this process carries, of those in the policy; the others are carried elsewhere on the same NATS. Default all; \"none\" only takes alerts and tells outcomes." placeholder:"NAME,..."`
	Debug    bool     `help:"Log more."`
}

// Run serves until it is told to stop.
func (c *serveCmd) Run(a *app) error {
	p, err := c.policy(a)
	if err != nil {
		return err
	}
	log := newLog(a.stderr, c.Debug)
	d, err := newDaemon(a.ctx, p, log)
	if err != nil {
		return err
	}
	defer d.Close()
	fmt.Fprintf(a.stdout, "firebreak is ready: alerts to %s/webhook (%s)\n", d.URL(), p.describe())
	return d.Run(a.ctx)
}

// settings is a policy with what the command line changed in it.
type settings struct {
	policy.Policy
	name string
	// handlers are those that this process carries; empty is all.
	handlers []string
}

func (s settings) describe() string {
	if s.name == "" {
		return "no policy file: built-in defaults, handlers only observe"
	}
	return "policy " + s.name
}

func (c *serveCmd) policy(a *app) (settings, error) {
	s := settings{Policy: policy.Default(), name: c.Config, handlers: c.Handlers}
	if c.Config != "" {
		p, err := policy.Load(c.Config, a.env)
		if err != nil {
			return settings{}, fmt.Errorf("the policy cannot be used:\n%w", err)
		}
		s.Policy = p
	}
	if c.Listen != "" {
		s.Server.Listen = c.Listen
		if err := s.Server.CheckListen(); err != nil {
			return settings{}, fmt.Errorf("--listen %s: %w", c.Listen, err)
		}
	}
	if c.Data != "" {
		if s.Bus.URL != "" {
			return settings{}, errors.New("--data is for the embedded bus, and the policy names an external one (bus.url)")
		}
		s.SetData(c.Data)
	}
	return s, nil
}

// newLog writes JSON, or something readable if a person is watching.
func newLog(w io.Writer, debug bool) zerolog.Logger {
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly}
	}
	level := zerolog.InfoLevel
	if debug {
		level = zerolog.DebugLevel
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}
