package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/rs/zerolog"
	slackgo "github.com/slack-go/slack"
)

const (
	// ackWithin is how long Slack waits for us at most before it shows a warning, less what the way takes: Slack gives three seconds.
	ackWithin = 2 * time.Second
	// modalWithin is how long opening the modal may take of that.
	modalWithin = 1500 * time.Millisecond
	// answerWithin bounds the work on one answer.
	answerWithin = 30 * time.Second
	// drainWithin is how long answers in hand may go on after the end was asked for.
	drainWithin = 10 * time.Second

	answerers = 8
	queued    = 32
)

// Desk takes what people decide: see desk.Desk.
type Desk interface {
	Approve(ctx context.Context, r desk.Ref, p incidents.Person, may desk.May) (desk.Answered, error)
	Deny(ctx context.Context, r desk.Ref, p incidents.Person, reason string, may desk.May) error
}

// clicks answers what people press. Its work is done by Run, and is bounded: a press that finds no room is not acknowledged, so that
// whoever pressed sees a warning and presses again.
type clicks struct {
	config  Config
	desk    Desk
	sink    *Sink
	people  *people
	client  *client
	metrics *Metrics
	log     zerolog.Logger
	jobs    chan job

	mu sync.Mutex
	// running is guarded by mu: answers are taken only while somebody is there to carry them out.
	running bool
}

// job is one answer to carry out. decided is closed when it is in the record, or is known not to be.
type job struct {
	click   click
	decided chan struct{}
}

// verdict is what Slack is answered: an HTTP status, and a body where there is one. Over a socket, 200 is an ack and everything else is none.
type verdict struct {
	status int
	body   []byte
}

// take handles one payload whose sender was proved. It returns in time for Slack, whatever the rest of the world does.
func (c *clicks) take(ctx context.Context, payload []byte) verdict {
	ctx, cancel := context.WithTimeout(ctx, ackWithin)
	defer cancel()
	self, err := c.client.who(ctx)
	if err != nil {
		return c.count("not_connected", http.StatusServiceUnavailable) // whose team is ours cannot be said
	}
	k, err := read(payload, self.Team, c.config.AppID)
	switch {
	case errors.Is(err, errNotOurs):
		return c.count("ignored", http.StatusOK)
	case err != nil:
		c.log.Warn().Err(err).Msg("an interaction was refused")
		return c.count("forged", http.StatusBadRequest)
	}
	switch {
	case k.action == submitDeny && badReason(k.reason) != "":
		body, err := json.Marshal(slackgo.NewErrorsViewSubmissionResponse(map[string]string{blockReason: badReason(k.reason)}))
		if err != nil {
			return c.count("failed", http.StatusInternalServerError)
		}
		c.metrics.clicks.WithLabelValues("bad_reason").Inc()
		return verdict{status: http.StatusOK, body: body}
	case k.action == actionDeny && c.ask(ctx, k):
		return c.count("asked_why", http.StatusOK)
	}
	return c.queue(ctx, k)
}

func (c *clicks) count(result string, status int) verdict {
	c.metrics.clicks.WithLabelValues(result).Inc()
	return verdict{status: status}
}

// ask opens the modal that asks why. If that fails, the plan is denied without a reason: that is what was pressed.
func (c *clicks) ask(ctx context.Context, k click) bool {
	ctx, cancel := context.WithTimeout(ctx, modalWithin)
	defer cancel()
	if err := c.client.open(ctx, k.trigger, denyModal(k.ref)); err != nil {
		c.log.Warn().Err(err).Str("incident", k.ref.Incident.String()).Msg("a denial has no reason: the dialog could not be opened")
		return false
	}
	return true
}

// queue hands an answer to Run and waits until it is decided, or until Slack must be told that it arrived.
func (c *clicks) queue(ctx context.Context, k click) verdict {
	j := job{click: k, decided: make(chan struct{})}
	if !c.hand(j) {
		return c.count("busy", http.StatusServiceUnavailable)
	}
	select {
	case <-j.decided:
	case <-ctx.Done():
	}
	return verdict{status: http.StatusOK}
}

// hand gives an answer to those who carry it out, if they have room for it.
func (c *clicks) hand(j job) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		return false
	}
	select {
	case c.jobs <- j:
		return true
	default:
		return false
	}
}

func (c *clicks) setRunning(running bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = running
}

// run carries out answers until ctx ends, and then those that are in hand.
func (c *clicks) run(ctx context.Context) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(drainWithin)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-work.Done():
		}
	})
	defer stop()
	last := make(chan struct{}) // closed when no more can come
	var wg sync.WaitGroup
	for range answerers {
		wg.Go(func() { c.work(work, last) })
	}
	c.setRunning(true)
	<-ctx.Done()
	c.setRunning(false)
	close(last)
	wg.Wait()
}

func (c *clicks) work(work context.Context, last <-chan struct{}) {
	for {
		select {
		case j := <-c.jobs:
			c.carryOut(work, j)
		case <-last:
			if len(c.jobs) == 0 {
				return
			}
		}
	}
}

// carryOut answers for one person.
func (c *clicks) carryOut(ctx context.Context, j job) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	k := j.click
	if k.action == actionPlan {
		close(j.decided) // nothing is decided by it
		c.showPlan(ctx, k)
		return
	}
	err := c.decide(ctx, k)
	close(j.decided)
	c.metrics.clicks.WithLabelValues(result(k, err)).Inc()
	words := ""
	if err != nil {
		c.log.Info().Str("incident", k.ref.Incident.String()).Str("user", k.user).Str("why", err.Error()).Msg("an answer from slack was not taken")
		words = c.words(ctx, k, err)
	}
	if err := c.sink.Show(ctx, k.ref.Incident); err != nil {
		c.log.Warn().Err(err).Str("incident", k.ref.Incident.String()).Msg("a message could not be edited right after an answer; it will be")
	}
	if words != "" {
		c.whisper(ctx, k, Message{Text: clip(words, maxFallback), Blocks: []slackgo.Block{slackgo.NewSectionBlock(plainLines(words, 1500), nil, nil)}})
	}
}

// decide brings an answer to the desk, which alone decides.
func (c *clicks) decide(ctx context.Context, k click) error {
	who, err := c.people.identify(ctx, k.user)
	if err != nil {
		return &desk.No{Code: desk.NotApprover, Words: err.Error()}
	}
	may := func(handler, target, fix string) error { return c.people.may(ctx, who, handler, target, fix) }
	if k.action == actionApprove {
		_, err = c.desk.Approve(ctx, desk.Ref(k.ref), who.Person, may)
		return err
	}
	return c.desk.Deny(ctx, desk.Ref(k.ref), who.Person, k.reason, may)
}

func result(k click, err error) string {
	var no *desk.No
	switch {
	case errors.As(err, &no):
		return string(no.Code)
	case err != nil:
		return "failed"
	case k.action == actionApprove:
		return "approved"
	}
	return "denied"
}

// whisper tells whoever pressed, in the channel of the message.
func (c *clicks) whisper(ctx context.Context, k click, m Message) {
	channel := k.channel
	if channel == "" { // a submission names none
		d, err := c.sink.load(ctx, k.ref.Incident)
		if err != nil || d.Channel == "" {
			c.log.Warn().Err(err).Str("incident", k.ref.Incident.String()).Msg("somebody could not be told why their answer was not taken")
			return
		}
		channel = d.Channel
	}
	if err := c.client.whisper(ctx, channel, k.user, m); err != nil {
		c.log.Warn().Err(err).Str("incident", k.ref.Incident.String()).Msg("somebody could not be told why their answer was not taken")
	}
}

// showPlan shows one person the whole plan that is asked about now.
func (c *clicks) showPlan(ctx context.Context, k click) {
	c.metrics.clicks.WithLabelValues("shown").Inc()
	events, err := c.sink.record.Events(ctx, k.ref.Incident)
	if err != nil {
		c.whisper(ctx, k, Message{Text: clip("The record could not be read now. Try again.", maxFallback)})
		return
	}
	st := stateOf(k.ref.Incident, events)
	if st.Asking == nil || st.Asking.ID != k.ref.Asking || st.Asking.Plan != k.ref.Plan {
		c.whisper(ctx, k, Message{Text: clip("This plan is not asked about any more. "+sentence(lastAsking(events).words()), maxFallback)})
		return
	}
	text, exact := fullPlan(st)
	title := fmt.Sprintf("The plan of %s, as its hash is made of it:", k.ref.Incident)
	if !exact {
		title = fmt.Sprintf("What is asked about in %s:", k.ref.Incident)
	}
	c.whisper(ctx, k, planMessage(title, st.Asking.Plan, text))
}
