// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"time"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

func (c Cache) inspectLegacy(_ *trust.Set, _ time.Time) Inspection {
	return Inspection{State: Foreign, Detail: "a LevelDB cache"}
}
