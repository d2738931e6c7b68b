package docscheck

import (
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Broken are the links of pages that lead nowhere in this repository, each as "file:line: what". Links to other sites are not tried.
func Broken(root fs.FS, pages []Page) []string {
	var broken []string
	links := regexp.MustCompile(`\]\(<?([^()\s<>]+)>?(?: "[^"]*")?\)|(?:href|src|srcset)="([^"]+)"`)
	for _, p := range pages {
		for _, l := range p.Lines {
			if l.Kind != Prose {
				continue
			}
			_, text := spans(l.Text)
			for _, m := range links.FindAllStringSubmatch(text, -1) {
				if why := p.follow(root, pages, m[1]+m[2]); why != "" {
					broken = append(broken, fmt.Sprintf("%s:%d: %s", p.Path, l.Number, why))
				}
			}
		}
	}
	return broken
}

// follow says why a link leads nowhere; "" if it leads somewhere or to another site.
func (p Page) follow(root fs.FS, pages []Page, link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return fmt.Sprintf("link %q: %v", link, err)
	}
	if u.Scheme != "" || u.Host != "" {
		return ""
	}
	target := p.Path
	if u.Path != "" {
		target = path.Join(path.Dir(p.Path), u.Path)
		if _, err := fs.Stat(root, target); err != nil {
			return fmt.Sprintf("link %q: there is no %s", link, target)
		}
	}
	if u.Fragment == "" {
		return ""
	}
	i := slices.IndexFunc(pages, func(q Page) bool { return q.Path == target })
	if i < 0 || !slices.Contains(pages[i].anchors(), u.Fragment) {
		return fmt.Sprintf("link %q: %s has no such heading", link, target)
	}
	return ""
}

// anchors are the names of a page's headings, as the usual renderers make them.
func (p Page) anchors() []string {
	var all []string
	times := map[string]int{}
	for _, l := range p.Lines {
		if l.Kind != Prose || !strings.HasPrefix(l.Text, "#") {
			continue
		}
		name := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, strings.TrimSpace(strings.TrimLeft(l.Text, "#")))
		if n := times[name]; n > 0 {
			all = append(all, fmt.Sprintf("%s-%d", name, n))
		} else {
			all = append(all, name)
		}
		times[name]++
	}
	return all
}
