package slack

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"
)

const (
	// callTimeout bounds one call. A post is not under way any more after it.
	callTimeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 16 << 20
	// pagesToLook bounds how far back a message is looked for.
	pagesToLook = 10
)

// client is the only place that talks to Slack's Web API. The library's own retries stay off: it would repeat posts.
type client struct {
	api     *slackgo.Client
	secrets []string
	wanted  string // the team that the token must belong to; empty: any
	pace    *pace
	health  *health
	metrics *Metrics

	mu sync.Mutex
	// self is guarded by mu: who we are, once Slack has said so.
	self *identity
}

// identity is who the bot token belongs to.
type identity struct{ Team, User, Bot string }

func newClient(c Config, h *health, m *Metrics) *client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: callTimeout / 2}).DialContext,
		TLSHandshakeTimeout: callTimeout / 2, TLSClientConfig: c.TLS.Clone(), ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}
	hc := &http.Client{Timeout: callTimeout, Transport: bounded{transport},
		// The token is in the body. It goes nowhere but where it was sent.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &client{secrets: c.allSecrets(), wanted: c.TeamID, pace: newPace(c.Now), health: h, metrics: m,
		api: slackgo.New(c.BotToken.Reveal(), slackgo.OptionAPIURL(c.APIURL), slackgo.OptionHTTPClient(hc),
			slackgo.OptionAppLevelToken(c.AppToken.Reveal()))}
}

// bounded reads no more of an answer than is sensible.
type bounded struct{ http.RoundTripper }

// RoundTrip is the transport's, with an end.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// call makes one call. vital says that a refusal of the app as a whole means that nobody is told anything.
func (c *client) call(ctx context.Context, method string, vital bool, fn func(context.Context) error) error {
	if vital {
		if err := c.health.gate(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := fn(ctx)
	if err == nil {
		c.metrics.calls.WithLabelValues(method, "ok").Inc()
		if vital {
			c.health.worked()
		}
		return nil
	}
	e := judge(method, err)
	e.cause, e.code = c.clean(e.cause), c.redact(e.code)
	c.metrics.calls.WithLabelValues(method, string(e.outcome)).Inc()
	if vital && e.outcome == badAccount {
		c.health.refused(e)
	}
	return e
}

// clean takes tokens out of an error, and the address that was called, which can be a bearer secret.
func (c *client) clean(err error) error {
	if err == nil {
		return nil
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	text := c.redact(err.Error())
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

func (c *client) redact(text string) string {
	for _, secret := range c.secrets {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	return text
}

// who says who we are, and remembers it: a token never changes its owner.
func (c *client) who(ctx context.Context) (identity, error) {
	c.mu.Lock()
	known := c.self
	c.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	var id identity
	err := c.call(ctx, "auth.test", true, func(ctx context.Context) error {
		r, err := c.api.AuthTestContext(ctx)
		if err != nil {
			return err
		}
		id = identity{Team: r.TeamID, User: r.UserID, Bot: r.BotID}
		if c.wanted != "" && c.wanted != id.Team {
			return slackgo.SlackErrorResponse{Err: "wrong_team"}
		}
		return nil
	})
	if err != nil {
		return identity{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.self = &id
	return id, nil
}

// tag is what a message of ours carries in its metadata: it is found again by it.
type tag struct {
	kind     string
	incident string
	// upto is how much of the record a reply tells of; 0 for the message itself.
	upto int
}

// The kinds of tags.
const (
	tagRoot  = "firebreak_incident"
	tagReply = "firebreak_reply"
)

func (t tag) metadata() slackgo.SlackMetadata {
	payload := map[string]any{"incident": t.incident}
	if t.upto > 0 {
		payload["upto"] = strconv.Itoa(t.upto)
	}
	return slackgo.SlackMetadata{EventType: t.kind, EventPayload: payload}
}

func (t tag) on(m slackgo.Message) bool {
	p, want := m.Metadata.EventPayload, t.metadata().EventPayload
	return m.Metadata.EventType == t.kind && p["incident"] == want["incident"] && p["upto"] == want["upto"]
}

// clientMsgID is a UUID (version 5) of a tag. Slack drops some repeated posts by it; nothing rests on that.
func (t tag) clientMsgID() string {
	const space = "firebreak slack message\x00"
	sum := sha1.Sum([]byte(space + t.kind + "\x00" + t.incident + "\x00" + strconv.Itoa(t.upto)))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x50, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// options are what all our messages are sent with.
func options(m Message, bare bool) []slackgo.MsgOption {
	blocks := m.Blocks
	if bare {
		blocks = nil // an empty list, which takes old blocks and their buttons away
	}
	return []slackgo.MsgOption{slackgo.MsgOptionText(m.Text, false), slackgo.MsgOptionBlocks(blocks...), slackgo.MsgOptionParse(false),
		slackgo.MsgOptionLinkNames(false), slackgo.MsgOptionDisableLinkUnfurl(), slackgo.MsgOptionDisableMediaUnfurl()}
}

// posted is a message that was posted. Thread is the message that it answers, as Slack has it.
type posted struct{ Channel, TS, Thread string }

// post posts a message, or a reply to thread.
func (c *client) post(ctx context.Context, channel, thread string, m Message, bare, loud bool, t tag) (posted, error) {
	opts := append([]slackgo.MsgOption{slackgo.UnsafeMsgOptionEndpoint("", func(v url.Values) { v.Set("client_msg_id", t.clientMsgID()) }),
		slackgo.MsgOptionPost(), slackgo.MsgOptionMetadata(t.metadata())}, options(m, bare)...)
	if thread != "" {
		opts = append(opts, slackgo.MsgOptionTS(thread))
	}
	if loud {
		opts = append(opts, slackgo.MsgOptionBroadcast())
	}
	var p posted
	err := c.call(ctx, "chat.postMessage", true, func(ctx context.Context) error {
		ch, ts, answer, err := c.api.PostMessageWithResponseContext(ctx, channel, opts...)
		if err == nil && (ch == "" || ts == "") {
			return errors.New("the answer names no message")
		}
		p = posted{Channel: ch, TS: ts, Thread: answer.ThreadTimestamp}
		return err
	})
	return p, c.resting(err, postPace(channel))
}

// resting remembers how long Slack wants to be left alone.
func (c *client) resting(err error, what string) error {
	var e *callError
	if errors.As(err, &e) && e.outcome == limited {
		c.pace.rest(what, e.after)
	}
	return err
}

func postPace(channel string) string { return "channel " + channel }

// editPace is for all edits: Slack counts them by app, not by channel.
const editPace = "edits"

// edit makes a message show something else. It is safe to repeat.
func (c *client) edit(ctx context.Context, channel, ts string, m Message, bare bool) error {
	err := c.call(ctx, "chat.update", true, func(ctx context.Context) error {
		_, _, _, err := c.api.UpdateMessageContext(ctx, channel, ts, options(m, bare)...)
		return err
	})
	return c.resting(err, editPace)
}

// find looks for a message of ours that was posted after a time, or for a reply in a thread; "" if it is not there.
func (c *client) find(ctx context.Context, channel, thread string, since time.Time, t tag) (string, error) {
	self, err := c.who(ctx)
	if err != nil {
		return "", err
	}
	oldest, cursor := strconv.FormatInt(since.Unix(), 10)+".000000", ""
	for range pagesToLook {
		var found []slackgo.Message
		found, cursor, err = c.page(ctx, channel, thread, oldest, cursor)
		if err != nil {
			return "", err
		}
		mine := func(m slackgo.Message) bool { return t.on(m) && (m.User == self.User || m.BotID == self.Bot) }
		if i := slices.IndexFunc(found, mine); i >= 0 {
			return found[i].Timestamp, nil
		}
		if cursor == "" {
			return "", nil
		}
	}
	return "", &callError{method: "conversations.history", outcome: badMessage, code: "too much to read"}
}

func (c *client) page(ctx context.Context, channel, thread, oldest, cursor string) (found []slackgo.Message, next string, err error) {
	if err := c.pace.wait(ctx, "reading", tierThree()); err != nil {
		return nil, "", err
	}
	const most = 100
	method := "conversations.history"
	if thread != "" {
		method = "conversations.replies"
	}
	err = c.call(ctx, method, false, func(ctx context.Context) error {
		var err error
		if thread != "" {
			found, _, next, err = c.api.GetConversationRepliesContext(ctx, &slackgo.GetConversationRepliesParameters{
				ChannelID: channel, Timestamp: thread, Oldest: oldest, Cursor: cursor, Limit: most, IncludeAllMetadata: true})
			return err
		}
		r, err := c.api.GetConversationHistoryContext(ctx, &slackgo.GetConversationHistoryParameters{
			ChannelID: channel, Oldest: oldest, Cursor: cursor, Limit: most, IncludeAllMetadata: true})
		if err == nil {
			found, next = r.Messages, r.ResponseMetaData.NextCursor
		}
		return err
	})
	return found, next, c.resting(err, "reading")
}

// whisper tells one person. It is not promised to arrive.
func (c *client) whisper(ctx context.Context, channel, user string, m Message) error {
	return c.call(ctx, "chat.postEphemeral", false, func(ctx context.Context) error {
		_, err := c.api.PostEphemeralContext(ctx, channel, user, options(m, false)...)
		return err
	})
}

// open opens a modal. The trigger of a press lives three seconds, so this is done before anything else.
func (c *client) open(ctx context.Context, trigger string, v slackgo.ModalViewRequest) error {
	return c.call(ctx, "views.open", false, func(ctx context.Context) error {
		_, err := c.api.OpenViewContext(ctx, trigger, v)
		return err
	})
}

// hashOf tells messages apart.
func hashOf(m Message, bare bool) (string, error) {
	if bare {
		m.Blocks = nil
	}
	text, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("encode message: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(text)), nil
}
