package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
)

// print writes the explanation for people, one part after the other in the order of the questions that they ask.
func (e explanation) print(w io.Writer) {
	s := e.Summary
	item(w, clean(s.ID.String(), 64)+"  ", s.Target+", "+standing(s))
	if s.Words != "" {
		item(w, "", s.Words)
	}
	heading(w, "ALERT")
	for _, a := range e.Alerts {
		item(w, "  ", a)
	}
	e.printDecision(w)
	for _, p := range e.Plans {
		p.print(w)
	}
	e.printAgreed(w)
	e.printRefusals(w)
	e.printNext(w)
}

func (e explanation) printDecision(w io.Writer) {
	d := e.Decision
	if d == nil {
		heading(w, "CAUSE")
		item(w, "  ", "Nothing was decided.")
		return
	}
	if len(d.Evidence) > 0 || e.After != nil {
		heading(w, "MEASURED")
		printEvidence(w, "before", d.Evidence)
		if e.After != nil {
			item(w, "  after   ", string(e.After.Effect)+": "+e.After.Words)
			printEvidence(w, "", e.After.Evidence)
		}
	}
	heading(w, "CAUSE")
	item(w, "  ", fmt.Sprintf("%s → %s: %s", d.Cause, d.Verdict, d.Reason))
	if d.Rule != "" {
		item(w, "  the rule: ", d.Rule)
	}
	if len(d.Others) > 0 {
		heading(w, "NOT CHOSEN")
		for _, o := range d.Others {
			item(w, "  "+clean(o.Name, 40)+": ", o.Why)
		}
	}
}

// printEvidence writes facts below each other, the first beside when they were measured.
func printEvidence(w io.Writer, when string, facts []incidents.Evidence) {
	for i, f := range facts {
		if i > 0 {
			when = ""
		}
		item(w, fmt.Sprintf("  %-8s", when), f.Words)
	}
}

func (p planned) print(w io.Writer) {
	name := "PLAN"
	if !p.Made {
		name = "PLAN (not carried out)"
	}
	heading(w, name)
	item(w, "  ", stepWords(p.Step))
	item(w, "  ", p.ending())
	if p.Verify != nil {
		item(w, "  ", p.judging())
	}
	if p.Class != "" {
		item(w, "  ", "class "+string(p.Class))
	}
	if p.Hash != "" {
		item(w, "  plan ", p.Hash)
	}
}

func (e explanation) printAgreed(w io.Writer) {
	made := slices.ContainsFunc(e.Plans, func(p planned) bool { return p.Made })
	if len(e.Agreed) == 0 && !made {
		return
	}
	heading(w, "WHO AGREED")
	if len(e.Agreed) == 0 {
		item(w, "  ", "Nobody was asked: the policy and its bounds let this change be made without.")
	}
	for _, said := range e.Agreed {
		item(w, fmt.Sprintf("%12s  ", said.After), said.Words)
	}
}

func (e explanation) printRefusals(w io.Writer) {
	if len(e.Refusals) == 0 {
		return
	}
	heading(w, "REFUSED")
	for _, n := range e.Refusals {
		words := fmt.Sprintf("%s: %s", n.Reason, n.Words)
		if n.Times > 1 {
			words += fmt.Sprintf(" (%d times, last at %s)", n.Times, n.Last)
		}
		item(w, fmt.Sprintf("%12s  ", n.First), words)
		item(w, "              means: ", n.Means)
		item(w, "              lifted by: ", n.Lifts)
		if n.Until.After(time.Now()) {
			item(w, "              ", "asked again at "+moment(n.Until, time.Now()))
		}
	}
}

func (e explanation) printNext(w io.Writer) {
	if e.Next == "" {
		return
	}
	heading(w, "IF THE LAST NO WERE LIFTED")
	item(w, "  ", e.Next)
}
