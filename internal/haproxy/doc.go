// Package haproxy speaks HAProxy's runtime API, as far as taking a server out of a backend and putting it back needs it.
//
// One command line is one connection: a line of commands joined by ";" is sent, and everything until HAProxy closes is the
// answer. A line is bounded by its context, an answer by [MaxAnswer]. An answer of which a part is missing is an error,
// never a short list. Columns are found by their names. What was not understood is handed on in HAProxy's own words.
//
// # What a line can promise
//
// The commands of a line are carried out in their order, and each at once. They are not a transaction: one that fails does
// not keep the next from being carried out, another connection's commands may come between, and there is no command with a
// condition. So a change is a line that writes and reads back, and what was read back is what counts.
//
// A line that was written and never answered may still be carried out later, e.g. by a HAProxy that hung: nothing in the
// runtime API can take it back. A line that could not be written as a whole is [ErrNotSent].
//
// # Whose change it is
//
// HAProxy keeps no owner of "set server … state". This was tried on 2.6.12 to keep one beside it, with what it answered:
//
//	set var proc.x str(a)                      This command is restricted to experimental mode only.
//	experimental-mode on; set var proc.x …     done; "get var" reads it, at level operator and without that mode
//	add map, set map, prepare map              Unknown map identifier: a map must be named in the configuration
//	set server … agent-send, agent-addr        agent checks are not enabled on this server
//	set server … fqdn                          failed because no resolution is configured
//	set table                                  No such table: it must be in the configuration
//	set dynamic-cookie-key, check-port, weight done, and changes what HAProxy does with traffic or checks
//	new ssl cert <any name>                    done, and even refuses a second of the same name; but it is a certificate
//	add server … (one that takes no traffic)   done; but it appears in the statistics and in every alert on them
//
// A variable of the process is chosen: it needs no change of the configuration, does nothing else, and ends with the
// process as the state does. Its price is that "show info" says Tainted 0x8 after the first write, which tells HAProxy's
// developers that experimental-mode was used. It can be set, not compared: "set-var" with a condition is refused by the
// runtime API.
//
// The variables of server pg-2 of backend readers are proc.firebreak.held.readers.pg_2d2 and
// proc.firebreak.claim.readers.pg_2d2: whatever is not a letter or a digit is written as "_" and its hexadecimal code. To
// read one: echo "get var <name>" | socat - <socket>
//
// # Restart and reload
//
// A new process knows neither state nor marks, with one exception: a reload with load-server-state-from-file carries the
// state over, with the age of its last change, and no variables. [View.Carried] tells such a state by its age.
//
// # Over the network
//
// "stats socket" takes "ssl crt …" without a word and speaks in the clear all the same (tried on 2.6.12). What works is a frontend before the socket:
//
//	frontend commands
//	  mode tcp
//	  bind :9999 ssl crt /etc/haproxy/commands.pem verify required ca-file /etc/haproxy/firebreak-ca.pem
//	  default_backend commands
//	backend commands
//	  mode tcp
//	  server socket unix@/run/haproxy/admin.sock
//
// There is no login: whoever reaches that port may do everything, so it must demand a certificate.
//
// # Levels
//
// Level user can read states and no marks, operator reads both, admin is needed to change anything. A command above the
// level is answered "Permission denied".
package haproxy
