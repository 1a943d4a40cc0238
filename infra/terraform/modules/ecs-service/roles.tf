data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${data.aws_partition.current.partition}:ecs:${local.region}:${data.aws_caller_identity.current.account_id}:*"]
    }
  }
}

# execution: what ECS does to start a task. task: what the program does while it runs.
resource "aws_iam_role" "this" {
  for_each = toset(["execution", "task"])

  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "SignInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # AWS has no resource for this action.
  }

  statement {
    sid       = "PullImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [var.repository_arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this["app"].arn}:*"]
  }

  statement {
    sid       = "ReadBundles"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = concat([for bundle in var.bundles : bundle.arn], var.datadog == null ? [] : [var.datadog.api_key_secret_arn])
  }

  statement {
    sid       = "OpenBundles"
    actions   = ["kms:Decrypt"]
    resources = [var.key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${local.region}.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "task" {
  statement {
    sid       = "ListMedia"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arn]
  }

  statement {
    sid       = "ReadWriteMedia"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${var.bucket_arn}/*"]
  }

  # The program reads its bundles again when they are rotated.
  statement {
    sid       = "ReadBundles"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [for bundle in var.bundles : bundle.arn]
  }

  statement {
    sid       = "UseKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [for service in ["s3", "secretsmanager"] : "${service}.${local.region}.amazonaws.com"]
    }
  }

  statement {
    sid       = "SignInToDatabase"
    actions   = ["rds-db:connect"]
    resources = [var.db_connect_arn]
  }

  statement {
    sid       = "WriteMetrics"
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this["metrics"].arn}:*"]
  }
}

resource "aws_iam_role_policy" "this" {
  for_each = {
    execution = data.aws_iam_policy_document.execution.json
    task      = data.aws_iam_policy_document.task.json
  }

  name   = each.key
  role   = aws_iam_role.this[each.key].id
  policy = each.value
}

# Whatever someone attaches by hand is taken off at the next apply.
resource "aws_iam_role_policies_exclusive" "this" {
  for_each = aws_iam_role_policy.this

  role_name    = aws_iam_role.this[each.key].name
  policy_names = [each.value.name]
}

resource "aws_iam_role_policy_attachments_exclusive" "this" {
  for_each = aws_iam_role.this

  role_name   = each.value.name
  policy_arns = []
}
