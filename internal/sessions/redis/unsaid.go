package redis

import (
	"context"

	"github.com/firebreak-sre/firebreak/policy"
	goredis "github.com/redis/go-redis/v9"
)

// unsaid takes the password out of what a server answers: a server that refuses a login may say back what it heard.
type unsaid struct{ password policy.Secret }

var _ goredis.Hook = unsaid{}

// DialHook changes nothing: nothing was said yet.
func (u unsaid) DialHook(next goredis.DialHook) goredis.DialHook { return next }

// ProcessHook is for one command.
func (u unsaid) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		err := next(ctx, cmd)
		u.answer(cmd)
		return u.password.HiddenIn(err)
	}
}

// ProcessPipelineHook is for several.
func (u unsaid) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			u.answer(cmd)
		}
		return u.password.HiddenIn(err)
	}
}

// answer is what is read of a command later.
func (u unsaid) answer(cmd goredis.Cmder) {
	if cmd.Err() != nil {
		cmd.SetErr(u.password.HiddenIn(cmd.Err()))
	}
}
