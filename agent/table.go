// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

// TableError says that the compatibility table that a config names will not do.
type TableError struct {
	config string // the config's path
	err    error
}

func (e *TableError) Error() string { return e.err.Error() }
func (e *TableError) Unwrap() error { return e.err }

// Hint says which setting it is, and what to do.
func (e *TableError) Hint() string {
	return fmt.Sprintf(`clients.model in %s names it: give the compat.json of a newer release, or "" for the table that is built in`, orDefaults(e.config))
}

// table loads the compatibility table that is in force with a config. The error is
// a *TableError where the config names it.
func table(cfg config.Config) (*client.Model, error) {
	m, err := client.LoadModel(cfg.Clients.Model)
	if err != nil && cfg.Clients.Model != "" {
		err = &TableError{config: cfg.Path, err: err}
	}
	return m, err
}

// Table says which compatibility table is in force with a config.
func Table(cfg config.Config) (status.Table, error) {
	m, err := table(cfg)
	if err != nil {
		return status.Table{}, err
	}
	return tableOf(cfg, m), nil
}

func tableOf(cfg config.Config, m *client.Model) status.Table {
	return status.Table{KnownAsOf: m.KnownAsOf, Path: cfg.Clients.Model}
}

// CheckTable says what is wrong with the table that a config names. One that this
// user may not read is the agent's affair.
func CheckTable(cfg config.Config) error {
	if _, err := table(cfg); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}
