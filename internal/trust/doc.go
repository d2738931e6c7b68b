// Package trust is whom TLS connections believe and what they show of themselves: the authorities beside the system's, and certificates
// that are read again when their files change.
//
// What renews certificates (cert-manager, an init system, a person) replaces files under a process that runs. So a certificate is
// looked at again when a connection needs it, at most once in [Every]; connections that are open keep the one that they began with.
// Files that cannot be used, also those that are only half replaced, change nothing: the pair that works stays, and one line in the log
// says so.
//
// Authorities are read once. Whoever exchanges them writes the new one beside the old one into the file, and restarts.
package trust
