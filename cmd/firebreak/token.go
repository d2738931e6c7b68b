package main

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/policy"
)

// A token that is made here is 32 random bytes, which nobody finds by trying, however fast the hash.
const (
	tokenBytes  = 32
	tokenPrefix = "fb_" // so that people and scanners of leaked secrets see what it is
)

// leastHashed is how many characters a token from elsewhere must have. What people think up and is shorter is found in a stolen policy by trying.
const leastHashed = 32

// mostToken bounds what is read, in bytes.
const mostToken = 4 << 10

type tokenCmd struct {
	Stdin bool `help:"Hash the token (or password) on standard input instead of making one."`
}

// Help is what "firebreak token --help" teaches.
func (tokenCmd) Help() string {
	return `Makes a random token for the API or the webhook, and the line for the policy that accepts it. The token is shown this once: give it to whoever
is to use it (FIREBREAK_TOKEN, Alertmanager's credentials_file). The policy then holds only its SHA-256: who reads the policy, a backup of
it or its repository, cannot use it.

  token_sha256          of server.api.operators[]: one operator
  bearer_token_sha256s  of server.api (may read) and of server.webhook (may post alerts): a list
  password_sha256       of server.webhook, beside username

SHA-256 is fast, so it protects only what is long and random. A word, or anything that a person thought of, is found by trying: with --stdin
anything shorter than 32 characters is refused, and nobody can tell whether longer ones are random. Let this command make them.`
}

// Run prints a token and its hash, or the hash alone.
func (c *tokenCmd) Run(a *app) error {
	if c.Stdin {
		token, err := readToken(a.stdin)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.stdout, policyLine(token))
		return err
	}
	token := newToken()
	fmt.Fprintln(a.stderr, "The token, shown this once, and the line of the policy that accepts it from an operator:")
	_, err := fmt.Fprintf(a.stdout, "%s\n%s\n", token, policyLine(token))
	return err
}

func newToken() string {
	var raw [tokenBytes]byte
	_, _ = rand.Read(raw[:]) // it never fails: the process would end
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(raw[:])
}

func policyLine(token string) string { return "token_sha256: " + policy.DigestOf(token).String() }

// readToken reads one line. Nothing of it is ever said.
func readToken(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, mostToken)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimRight(line, "\r\n")
	switch {
	case utf8.RuneCountInString(token) < leastHashed:
		return "", fmt.Errorf("the token has fewer than %d characters: a fast hash would not protect it; \"firebreak token\" makes a good one", leastHashed)
	case len(line) == mostToken:
		return "", errors.New("the token is longer than 4 KiB: this is not a token")
	case strings.ContainsFunc(token, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "", errors.New("the token has a space or a control character in it, which no token can have")
	}
	return token, nil
}
