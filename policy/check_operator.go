package policy

// checkAPI looks at who may use the API: everybody with a name and a token of their own.
func (d *document) checkAPI(s Server) {
	const path = "server.api.operators"
	operators := s.API.Operators
	d.unique(path, len(operators), ".name", func(i int) string { return operators[i].Name })
	d.unique(path, len(operators), ".slack_user", func(i int) string { return operators[i].SlackUser })
	first := map[Secret]int{}
	for i, o := range operators {
		here := at(path, i)
		d.checkRights(here+".may", o.May)
		token := d.either(here+".token", here+".token_file")
		if !d.sound(here+".token", here+".token_file") {
			continue
		}
		if o.Token == "" {
			d.wrong(here+".token", "is missing: write token or token_file, at least 16 characters")
			continue
		}
		j, twice := first[o.Token]
		if twice {
			d.wrong(token, "is the same as that of %s, so nobody could tell who gave an order: give everybody a token of their own", at(path, j))
			continue
		}
		first[o.Token] = i
		d.checkShared(token, o.Token, "server.api.bearer_token", s.API.BearerTokens, "which may only read")
		d.checkShared(token, o.Token, "server.webhook.bearer_token", s.Webhook.BearerTokens, "which may only post alerts")
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
// without its end: they stand below …s or in the files of …_files.
func (d *document) checkShared(path string, token Secret, list string, tokens []Secret, what string) {
	for i, other := range tokens {
		if other != token {
			continue
		}
		theirs := at(list+"s", i)
		if !d.has(theirs) {
			theirs = list + "_files"
		}
		d.wrong(path, "is also in %s, %s: give the operator a token of their own, or take it out there", theirs, what)
		return
	}
}
