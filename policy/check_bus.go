package policy

// checkBus looks for settings of the one kind of bus beside those of the other.
func (d *document) checkBus(b Bus) {
	d.checkTLS("bus.tls", b.TLS)
	d.checkLogin("bus", b.Username, b.Password)
	if d.has("bus.url") {
		d.checkExternal(b)
		return
	}
	for _, key := range []string{"credentials_file", "username"} {
		if path := "bus." + key; d.has(path) {
			d.wrong(path, "is for an external NATS: write url too, or take it out")
		}
	}
	if d.sound("bus.replicas") && b.Replicas > 1 {
		d.wrong("bus.replicas", "must be 1 without url, since the embedded server is one server, got %d", b.Replicas)
	}
	if b.Listen == "" {
		if d.has("bus.tls") && d.sound("bus.tls", "bus.listen") {
			d.wrong("bus.tls", "is that of listen, which is not there: write listen, or take it out (for connections that we open: tls at the top)")
		}
		return
	}
	d.checkBusListen(b)
}

// checkExternal looks at what does not go with an external NATS, and for two ways to log in there.
func (d *document) checkExternal(b Bus) {
	for _, key := range []string{"data", "listen", "tls", "allow_plain"} {
		if path := "bus." + key; d.has(path) {
			d.wrong(path, "is for the embedded server, and url names an external one: take %s or url out", key)
		}
	}
	if b.Username != "" && d.sound("bus.token", "bus.token_file", "bus.credentials_file") && (b.Token != "" || b.CredentialsFile != "") {
		d.wrong("bus.username", "is set together with a token or credentials_file: keep one of them")
	}
}

// checkBusListen looks at who can reach the embedded server, and with what.
func (d *document) checkBusListen(b Bus) {
	const path = "bus.listen"
	if !d.sound(path) {
		return
	}
	if said := addressProblem(b.Listen, d.at[path].text); said != "" {
		d.wrong(path, "%s", said)
	} else if !isLoopback(b.Listen) && b.TLS.CertFile == "" && !b.AllowPlain && d.sound("bus.tls", "bus.allow_plain") {
		d.wrong(path, "other machines can reach %s, and without TLS whoever is in between reads the token, with which everything can be changed: "+
			"set bus.tls.cert_file and key_file, or bus.allow_plain: true if that network is yours alone", d.written(path))
	}
	if !d.sound("bus.token", "bus.token_file") {
		return
	}
	if b.Token == "" {
		d.wrong("bus.token", "is missing: listen needs it, write token or token_file, at least 16 characters")
	} else if said := secretProblem(b.Token, rule{minLen: "16"}); said != "" {
		d.wrong(d.either("bus.token", "bus.token_file"), "%s", said)
	}
}
