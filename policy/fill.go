package policy

import (
	"fmt"
	"path/filepath"
	"reflect"
	"time"
)

// fill puts the defaults in, which never change what is there. A file cannot say zero where zero takes the default.
func (p *Policy) fill() {
	fillTags(reflect.ValueOf(p).Elem())
	p.Bus.fill()
	p.Guard.fill(p.Bus)
	p.Limits.PerDomain.fill(Budget{Hour: 3, Day: 6, Concurrent: 1})
	p.Limits.PerAction.fill(Budget{Hour: 6, Day: 20, Concurrent: 2})
	p.Limits.Global.fill(Budget{Hour: 10, Day: 40, Concurrent: 2})
	fillDuration(&p.Limits.Cooldown, 10*time.Minute)
	fillDuration(&p.Limits.CooldownRisky, time.Hour)
	for i := range p.Server.API.Operators {
		if o := &p.Server.API.Operators[i]; o.May == nil {
			o.May = []string{rightRead}
		}
	}
	storm := &p.Handlers.RetryStorm
	if storm.Alerts == nil {
		storm.Alerts = []string{"RetryStorm"}
	}
	if storm.Thresholds.ConfirmAfter == 0 {
		storm.Thresholds.ConfirmAfter = storm.Thresholds.SampleEvery
	}
	for i := range storm.Edges {
		storm.Edges[i].fill(storm.Mode)
	}
	for i := range p.Postgres {
		p.Postgres[i].fill()
	}
	p.Handlers.ReplicationLag.fill()
	p.Handlers.PoolExhaustion.fill()
	for i := range p.Sessions {
		p.Sessions[i].fill(*p)
	}
	p.Handlers.SessionDrift.fill()
}

// fill puts in the defaults that depend on where the bus is.
func (b *Bus) fill() {
	if b.Data == "" && b.URL == "" {
		b.Data = "./firebreak-data"
	}
	if b.Replicas == 0 {
		b.Replicas = 1
		if b.URL != "" {
			b.Replicas = 3
		}
	}
}

// fill puts in the defaults that depend on where the bus is, and on how many anchors there are.
func (g *Guard) fill(b Bus) {
	if g.StopFile == "" {
		g.StopFile = b.stopFile()
	}
	if n := len(g.Observer.Anchors); g.Observer.Need == 0 && n > 0 {
		g.Observer.Need = n/2 + 1
	}
}

// stopFile is the kill switch of a policy that names none.
func (b Bus) stopFile() string {
	if b.Data == "" {
		return "./firebreak.stop"
	}
	return filepath.Join(b.Data, "STOP")
}

// SetData moves the embedded bus to another folder, and with it the stop file, unless the policy names one of its own. It is for a folder
// that is put in the policy's place afterwards; the file's own paths are what [Load] made of them.
func (p *Policy) SetData(dir string) {
	ours := p.Guard.StopFile == p.Bus.stopFile()
	p.Bus.Data = dir
	if ours {
		p.Guard.StopFile = p.Bus.stopFile()
	}
}

// fillDuration puts a duration in that is not there.
func fillDuration(d **Duration, other time.Duration) {
	if *d == nil {
		*d = new(Duration(other))
	}
}

// fill takes from other what is zero.
func (b *Budget) fill(other Budget) {
	if b.Hour == 0 {
		b.Hour = other.Hour
	}
	if b.Day == 0 {
		b.Day = other.Day
	}
	if b.Concurrent == 0 {
		b.Concurrent = other.Concurrent
	}
}

// fill puts in the defaults that an edge takes from its handler and from its own names.
func (e *Edge) fill(mode Mode) {
	if e.Mode == "" {
		e.Mode = mode
	}
	if e.Domain == "" {
		e.Domain = e.Service
	}
	if e.Zone == "" {
		e.Zone = "all"
	}
	if e.Match == nil {
		e.Match = map[string]string{"service": e.Service, "edge": e.Edge}
	}
	if e.Fix.Ramp == nil {
		e.Fix.Ramp = []int{50, 75, 90}
	}
}

// fillTags puts the defaults of the tags in, in v and everything below.
func fillTags(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fillTags(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			fillTags(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			e := reflect.New(v.Type().Elem()).Elem()
			e.Set(v.MapIndex(key))
			fillTags(e)
			v.SetMapIndex(key, e)
		}
	case reflect.Struct:
		if !isSection(v.Type()) {
			return
		}
		for _, f := range fieldsOf(v.Type()) {
			fillTags(v.Field(f.index))
			if f.rule.def == "" || !v.Field(f.index).IsZero() {
				continue
			}
			if err := setText(v.Field(f.index), f.rule.def); err != nil {
				panic(fmt.Sprintf("policy: default of %s: %v", f.name, err)) // a slip in a tag; Default shows it in every test
			}
		}
	}
}
