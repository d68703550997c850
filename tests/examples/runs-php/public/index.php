<?php echo json_encode(['said' => 'php']);
