// SPDX-License-Identifier: Apache-2.0

package store

// Before makes f run ahead of every change to the directory; an error of f stops
// that change.
func (s *Store) Before(f func(step string) error) { s.before = f }
