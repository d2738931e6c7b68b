package policy

import "unicode/utf8"

// checkAPI looks at who may use the API: everybody with a name and a token of their own.
func (d *document) checkAPI(s Server) {
	const path = "server.api.operators"
	operators := s.API.Operators
	d.unique(path, len(operators), ".name", func(i int) string { return operators[i].Name })
	d.unique(path, len(operators), ".slack_user", func(i int) string { return operators[i].SlackUser })
	first := map[Digest]int{}
	for i, o := range operators {
		here := at(path, i)
		d.checkRights(here+".may", o.May)
		if !d.sound(here+".token", here+".token_file", here+".token_sha256") {
			continue
		}
		token, ok := o.Digest()
		if !ok {
			d.wrong(here+".token", "is missing: write token or token_file, at least 16 characters, or token_sha256 (\"firebreak token\" makes one)")
			continue
		}
		where := d.either(here+".token", d.either(here+".token_file", here+".token_sha256"))
		if where != here+".token_sha256" && o.TokenSHA256 != "" {
			d.wrong(here+".token_sha256", "is set together with %s: keep one of the two", where[len(here)+1:])
		}
		if j, twice := first[token]; twice {
			d.wrong(where, "is the same as that of %s, so nobody could tell who gave an order: give everybody a token of their own", at(path, j))
			continue
		}
		first[token] = i
		d.checkShared(where, token, "server.api.bearer_token", s.API.BearerTokens, s.API.BearerTokenSHA256s, "which may only read")
		d.checkShared(where, token, "server.webhook.bearer_token", s.Webhook.BearerTokens, s.Webhook.BearerTokenSHA256s, "which may only post alerts")
	}
}

// checkRights looks at what one operator may do.
func (d *document) checkRights(path string, may []string) {
	d.uniqueTexts(path, may)
	if d.has(path) && d.sound(path) && len(may) == 0 {
		d.wrong(path, "is empty, so nothing could be done with this token: name rights, or take the key out for [read]")
	}
}

// checkShared refuses the token of an operator that is also one that many may have. list is the path of those tokens
// without its end: they stand below …s, in the files of …_files, or as hashes below …_sha256s.
func (d *document) checkShared(path string, token Digest, list string, plain, hashed []Secret, what string) {
	for i, other := range digests(plain, hashed) {
		if other != token {
			continue
		}
		theirs := at(list+"s", i)
		if i >= len(plain) {
			theirs = at(list+"_sha256s", i-len(plain))
		} else if !d.has(theirs) {
			theirs = list + "_files"
		}
		d.wrong(path, "is also in %s, %s: give the operator a token of their own, or take it out there", theirs, what)
		return
	}
}

// minPassword is the fewest characters of a password of the webhook.
const minPassword = 16

// checkWebhookAuth looks at the user name and password with which alerts may be posted.
func (d *document) checkWebhookAuth(w WebhookAuth) {
	const path = "server.webhook"
	hash := path + ".password_sha256"
	if !d.sound(path+".username", path+".password", path+".password_file", hash) {
		return
	}
	password := d.either(path+".password", path+".password_file")
	_, there := w.PasswordDigest()
	switch {
	case w.Password != "" && w.PasswordSHA256 != "":
		d.wrong(hash, "is set together with %s: keep one of the two", password[len(path)+1:])
	case w.Username != "" && !there:
		d.wrong(path+".password", "is missing: username needs it, write password, password_file or password_sha256")
	case w.Username == "" && there:
		d.wrong(path+".username", "is missing: password needs it, write the user's name")
	}
	if w.Password != "" && utf8.RuneCountInString(w.Password.Reveal()) < minPassword {
		d.wrong(password, "must have at least %d characters, since nobody types it and whoever reaches the listener can try any: "+
			"generate one, for example with: openssl rand -hex 24", minPassword)
	}
}
