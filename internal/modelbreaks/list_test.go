package modelbreaks

// edit replaces a text that occurs exactly once in a file.
type edit struct{ file, old, new string }

// breakage is one rule that the kernel no longer keeps.
type breakage struct {
	name  string
	edits []edit
	// test is what must fail; empty is the model itself.
	test string
	// episode is the seed of an episode of the model that notices it; 0 if test is another one.
	episode int
}

const (
	issueFile   = "handlers/issue.go"
	guardFile   = "handlers/guard.go"
	askFile     = "handlers/ask.go"
	carryFile   = "handlers/carry.go"
	doubtFile   = "handlers/doubt.go"
	overdueFile = "handlers/overdue.go"
	standFile   = "handlers/stand.go"
	onceFile    = "handlers/once.go"
	personFile  = "incidents/person.go"
	foldFile    = "incidents/fold.go"
	storeFile   = "incidents/store.go"
	bookFile    = "remediations/ledger/book.go"
	releaseFile = "remediations/ledger/release.go"
	fixerFile   = "handlers/modeltest/fixer_test.go"
)

// breakages are all of them.
func breakages() []breakage {
	return append(append(append(beforeTheWire(), behindTheWire()...), ofWhatHappensOnce()...), ofWhatIsKept()...)
}

func beforeTheWire() []breakage {
	return []breakage{
		{name: "the last gate is not asked", episode: 1, edits: []edit{{issueFile,
			"if no := r.lastGate(ctx, known, f); no != nil {", "if no := (&incidents.Refusal{}); !known {"}}},
		{name: "an old answer of the last gate counts", episode: 13, edits: []edit{{issueFile,
			"stood < 0 || stood > gateFor", "stood < -24*time.Hour"}}},
		{name: "the ledger's no is ignored", episode: 1, edits: []edit{{guardFile,
			"if err != nil {\n\t\treturn false, r.refuse(ctx, events, ledgerRefusal(err))", "if err != nil && grant.Fence > 0 {\n\t\treturn false, r.refuse(ctx, events, ledgerRefusal(err))"}}},
		{name: "a lock ends by the clock", episode: 5, edits: []edit{{bookFile,
			"held, ok := b.c.Active[a.Domain]\n", "held, ok := b.c.Active[a.Domain]\n\tif ok && now.Sub(held.Since) > 30*time.Second {\n\t\tdelete(b.c.Active, a.Domain)\n\t\tok = false\n\t}\n"}}},
		{name: "the fence does not rise", episode: 2, edits: []edit{{bookFile, "b.c.Fence++", "b.c.Fence = max(b.c.Fence, 1)"}}},
		{name: "the budget comes back with the lock", episode: 1, edits: []edit{{releaseFile,
			"delete(b.c.Active, e.Domain)\n", "delete(b.c.Active, e.Domain)\n\tb.c.Spent = b.c.Spent[:max(0, len(b.c.Spent)-1)]\n"}}},
		{name: "a late release ends a later grant", edits: []edit{{carryFile, "Fence: f.Order.Fence,", ""}},
			test: "TestLateReleaseEndsNothing$"},
		{name: "a grant without a record is kept for ever", episode: 22, edits: []edit{{carryFile,
			"if r.st.Open() {\n\t\treturn nil\n\t}\n\t// What", "if r.st.Seq > 0 {\n\t\treturn nil\n\t}\n\t// What"}}},
		{name: "the plan is not compared before the wire", edits: []edit{{issueFile, "if plan.Hash() == f.Order.Plan {", "if plan.Hash() != \"\" {"}},
			test: "TestAnotherPlanIsNotSent$"},
		{name: "the plan is not compared with what was approved", episode: 33, edits: []edit{{askFile, "if t.plan.Hash() != a.Plan {", "if t.plan.Hash() == \"\" {"}}},
		{name: "approvals outlive their asking", episode: 34, edits: []edit{
			{personFile, "s.Stage, s.Asking, s.Approvals, s.Denial = Waiting, e.Asking, nil, nil", "s.Stage, s.Asking, s.Denial = Waiting, e.Asking, nil"},
			{personFile, "s.Asking, s.Approvals = nil, nil", "s.Asking = nil"}}},
		{name: "one approval is enough for two", episode: 3, edits: []edit{{askFile, "case len(r.yes()) < a.Need:", "case len(r.yes()) < min(a.Need, 1):"}}},
		{name: "an override counts for ever", episode: 18, edits: []edit{{foldFile,
			"s.Stage, s.Refusal, s.Override, s.Recall = Planned, nil, nil, nil", "s.Stage, s.Refusal, s.Recall = Planned, nil, nil"}}},
	}
}

func behindTheWire() []breakage {
	return []breakage{
		{name: "it is sent before issuing is durable", episode: 1, edits: []edit{
			{issueFile, "if err := r.append(ctx, incidents.Event{Kind: incidents.Issuing, Order: &o}); err != nil {",
				"early, earlyErr := r.apply(ctx, rem, o)\n\tif err := r.append(ctx, incidents.Event{Kind: incidents.Issuing, Order: &o}); err != nil {"},
			{issueFile, "receipt, err := r.apply(ctx, rem, o)", "receipt, err := early, earlyErr"}}},
		{name: "the deadline is not waited for", episode: 80, edits: []edit{{doubtFile, "; now.Before(ready) {", "; now.Before(ready) && f.Doubts > 99 {"}}},
		{name: "no answer is taken for absent", episode: 40, edits: []edit{{doubtFile,
			"remediations.Presence{State: remediations.Unknown, Detail: err.Error()}", "remediations.Presence{State: remediations.Absent, Detail: err.Error()}"}}},
		{name: "a revert does not compare", episode: 14, edits: []edit{{fixerFile,
			"return fmt.Errorf(\"%s stands there: %w\", p.Detail, remediations.ErrNotOurs)", "t.takeBack(o, edits)\n\t\t_ = fmt.Sprint()"}}},
		{name: "a late effect is left to whoever has given it up", edits: []edit{{issueFile,
			"case st.Stage != incidents.Sending && st.Stage != incidents.Doubtful:", "case !ended(st, o.Action):"}},
			test: "TestLateEffectIsKnownWhoeverWritesFirst$"},
		{name: "a late effect is not taken back", edits: []edit{{issueFile, "if err := r.revert(undo, rem, o, receipt); err != nil", "if err := undo.Err(); err != nil"}},
			test: "TestLateEffectOfWhatWasGivenUpIsTakenBack$"},
		{name: "the limit is forgotten", episode: 13, edits: []edit{{standFile, "return f.Times.Issued.Add(f.Order.Limit.D())", "return f.Times.Issued.Add(100 * f.Order.Limit.D())"}}},
		{name: "a start looks at nothing", episode: 22, edits: []edit{{overdueFile, "if err != nil || !l.overdue(st) {", "if err != nil || l.overdue(st) {"}}},
		{name: "a conflict is written over", episode: 1, edits: []edit{{storeFile,
			"seq, err := s.bus.AppendIf(ctx, id.subject(), st.Seq, data)\n",
			"seq, err := s.bus.AppendIf(ctx, id.subject(), st.Seq, data)\n\tif errors.Is(err, ErrConflict) {\n\t\tif last, lastErr := s.bus.Last(ctx, stored.Incidents, id.subject()); lastErr == nil {\n\t\t\tseq, err = s.bus.AppendIf(ctx, id.subject(), last.Seq, data)\n\t\t}\n\t}\n"}}},
		{name: "the newest record is the one written last", episode: 2, edits: []edit{{storeFile, "if st.Acked == nil {", "if st.Seq > 0 {"}}},
	}
}

func ofWhatHappensOnce() []breakage {
	return []breakage{
		{name: "what happened once is held and taken back", episode: 2, edits: []edit{{carryFile,
			"if r.st.Fix().Order.Once {", "if r.st.Fix().Order.Once && r.st.Newer {"}}},
		{name: "what happened once is judged behind its limit", episode: 176, edits: []edit{{onceFile,
			"case !now.Before(hardEnd(f)):", "case now.Before(f.Times.Issued):"}}},
		{name: "what happened once is not judged when its alert resolves", episode: 137, edits: []edit{{onceFile,
			"case now.Before(r.st.Due):", "case !r.st.Firing():\n\t\treturn true, r.spend(ctx, nil, \"\")\n\tcase now.Before(r.st.Due):"}}},
		{name: "what is spent has not ended", episode: 2, edits: []edit{{foldFile, "case Reverted, Spent, NotOurs:", "case Reverted, NotOurs:"}}},
		{name: "what is so counts as not done", episode: 80, edits: []edit{
			{doubtFile, "case remediations.Satisfied:", "case remediations.State(\"nobody\"):"},
			{doubtFile, "case remediations.Absent:", "case remediations.Absent, remediations.Satisfied:"}}},
		{name: "it is sent for what is gone already", episode: 8, edits: []edit{{guardFile,
			"case seen.State == remediations.Absent:", "case seen.State == remediations.Absent || seen.State == remediations.Satisfied:"}}},
		{name: "what happened once is taken back when its sender wakes", edits: []edit{
			{issueFile, "case o.Once && applied(st, o.Action):", "case o.Once && applied(st, \"\"):"},
			{issueFile, "if o.Once && !o.Undo {", "if o.Once && o.Action == \"\" {"}},
			test: "TestSenderWakesBehindWhatIsSpent$"},
	}
}

func ofWhatIsKept() []breakage {
	return []breakage{
		{name: "what is kept until healed ends with its hold", episode: 1, edits: []edit{{standFile,
			"!f.Verify.UntilHealed && r.holdOver(f, now)", "r.holdOver(f, now)"}}},
		{name: "what is kept until healed outlives its limit", episode: 22, edits: []edit{{standFile,
			"func (r *run) hold(ctx context.Context) (bool, error) {\n\tf := r.st.Fix()\n\tnow := r.now()\n\tswitch {\n\tcase !now.Before(hardEnd(f)):",
			"func (r *run) hold(ctx context.Context) (bool, error) {\n\tf := r.st.Fix()\n\tnow := r.now()\n\tswitch {\n\tcase !now.Before(hardEnd(f)) && !f.Verify.UntilHealed:"}}},
	}
}
